//! Names what the model gateway can do otherwise, and reads what `defects.toml` says of each fault.
//!
//! A switch is only a name: the one place that it changes is where the model asks for it. What a fault must be caught by is data, not code.
//! The switches that are no faults are described in `variants.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::catalogue::Profile;

/// Declares the closed set of switches, each with the name that `builtin:defect/<name>` and `defects.toml` use.
macro_rules! switches {
    ($($switch:ident = $text:literal,)+) => {
        /// One decision of the model that can be taken otherwise: wrongly, or just as rightly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[expect(missing_docs, reason = "defects.toml and variants.toml say what each one does, and a test holds that they do")]
        pub enum Switch { $(#[serde(rename = $text)] $switch,)+ }

        impl Switch {
            /// Every switch.
            pub const ALL: &'static [Self] = &[$(Self::$switch,)+];

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$switch => $text,)+ }
            }
        }
    };
}

switches! {
    // How a refusal is rendered.
    Swallows401 = "swallows-401",
    IsErrorResult = "is-error-result",
    JsonRpcErrorIn200 = "json-rpc-error-in-200",
    CachesToolsList = "caches-tools-list",
    NotFoundFor401 = "404-for-401",
    GetNotChecked = "get-not-checked",
    NotificationAccepted = "notification-accepted",
    CommitsHeadEarly = "commits-head-early",
    LateRefusalIsEmpty = "late-refusal-is-empty",
    LateRefusal = "late-refusal",
    ForbiddenAs401 = "403-as-401",
    Challenges403 = "challenges-403",
    NotFoundAs500 = "404-as-500",
    TooManyAs403 = "429-as-403",
    UnauthorizedTextOn403 = "unauthorized-text-on-403",
    BodyWithoutId = "body-without-id",
    CutRefusals = "cut-refusals",
    CacheableRefusal = "cacheable-refusal",
    // What the challenge says.
    NoChallengeOn401 = "no-challenge-on-401",
    BareBearer = "bare-bearer",
    UnquotedChallenge = "unquoted-challenge",
    NoAuthorizationUri = "no-authorization-uri",
    NoResourceMetadata = "no-resource-metadata",
    RelaysUpstreamChallenge = "relays-upstream-challenge",
    SameOwnRefusal = "same-own-refusal",
    EchoesNames = "echoes-names",
    ForeignResourceMetadata = "foreign-resource-metadata",
    ChallengeLeaksUpstreamUrl = "challenge-leaks-upstream-url",
    ErrorWithoutToken = "error-without-token",
    NoInvalidToken = "no-invalid-token",
    HostDerivedMetadata = "host-derived-metadata",
    RenamesChallenge = "renames-challenge",
    DropsScope = "drops-scope",
    AddsOfflineAccess = "adds-offline-access",
    DropsDescription = "drops-description",
    KeepsDpop = "keeps-dpop",
    LosesStepUp = "loses-step-up",
    StepsUpAnyway = "steps-up-anyway",
    ReordersChallenges = "reorders-challenges",
    AddsAChallenge = "adds-a-challenge",
    MetadataAtTheRoot = "metadata-at-the-root",
    MetadataNamesUpstream = "metadata-names-upstream",
    OffersOfflineAccess = "offers-offline-access",
    FollowsMetadata = "follows-metadata",
    RedirectsSlash = "redirects-slash",
    NoAuthorizationServers = "no-authorization-servers",
    DiscoveryNeedsKey = "discovery-needs-key",
    // Whose credential goes where.
    DropsToken = "drops-token",
    WantsAToken = "wants-a-token",
    CallsAnonymously = "calls-anonymously",
    LeaksKey = "leaks-key",
    KeyInAuthorizationForwarded = "key-in-authorization-forwarded",
    SameKeyForwarded = "same-key-forwarded",
    DoubleBearer = "double-bearer",
    ForwardsAllHeaders = "forwards-all-headers",
    ForwardsToStatic = "forwards-to-static",
    ForwardsToClientCredentials = "forwards-to-client-credentials",
    ForwardsToOpen = "forwards-to-open",
    TwoAuthorizationLinesFirstWins = "two-authorization-lines-first-wins",
    TakesTokenFromQuery = "takes-token-from-query",
    ForwardsMalformedToken = "forwards-malformed-token",
    // Who is asked, and how.
    StrangersReachUpstream = "strangers-reach-upstream",
    NamesBeforeKeys = "names-before-keys",
    DownBeforeKeys = "down-before-keys",
    UnknownIsAnother = "unknown-is-another",
    ProbesAnything = "probes-anything",
    ProbesUngranted = "probes-ungranted",
    NamesAreUrls = "names-are-urls",
    TellsUngranted = "tells-ungranted",
    ServesTheDisabled = "serves-the-disabled",
    ProbesClientCredentials = "probes-client-credentials",
    ProbesStatic = "probes-static",
    ProbesInSeries = "probes-in-series",
    HeadProbeOnly = "head-probe-only",
    ProbesWithToolsCall = "probes-with-tools-call",
    ProbesTwice = "probes-twice",
    CarelessProbe = "careless-probe",
    HoldsProbeStream = "holds-probe-stream",
    AnonymousProbe = "anonymous-probe",
    MisreadsRefusedProbe = "misreads-refused-probe",
    RetriesProbe = "retries-probe",
    LeavesSessions = "leaves-sessions",
    WaitsForCleanUp = "waits-for-clean-up",
    LeaksProbeSession = "leaks-probe-session",
    BelievesTheProbe = "believes-the-probe",
    ReadsRefusalBody = "reads-refusal-body",
    FollowsRedirects = "follows-redirects",
    NoPool = "no-pool",
    // What comes before anyone knows who is calling, and between callers.
    SendsInTheClear = "sends-in-the-clear",
    IgnoresLeaving = "ignores-leaving",
    AnyOrigin = "any-origin",
    HidesFromPages = "hides-from-pages",
    LengthBeatsChunks = "length-beats-chunks",
    SkipsOddLines = "skips-odd-lines",
    DropsTheOversized = "drops-the-oversized",
    RelaysHops = "relays-hops",
    SessionsForAnyone = "sessions-for-anyone",
    ForwardsAdmission = "forwards-admission",
    ForwardsBasic = "forwards-basic",
    CrossesTokens = "crosses-tokens",
    GuessesBetweenKeys = "guesses-between-keys",
    // What clients and servers of 2026-07-28 have of it.
    TrustsMirror = "trusts-mirror",
    DropsMirror = "drops-mirror",
    OpensAsBefore = "opens-as-before",
    CarelessDiscover = "careless-discover",
    FlattensModernErrors = "flattens-modern-errors",
    InventsModernCodes = "invents-modern-codes",
    RemembersRefusals = "remembers-refusals",
    // What several answers come to.
    FirstRefusalWins = "first-refusal-wins",
    ForbiddenOutranks = "403-outranks-401",
    NamesTheLastRefuser = "names-the-last-refuser",
    NamesTheFirstServer = "names-the-first-server",
    EmptyWhereAllFail = "empty-where-all-fail",
    SilenceHidesRefusals = "silence-hides-refusals",
    JudgesCallsByAll = "judges-calls-by-all",
    RenamesByPosition = "renames-by-position",
    OneIsSingle = "one-is-single",
    UnknownWidens = "unknown-widens",
    AsksDuplicates = "asks-duplicates",
    IgnoresToolsets = "ignores-toolsets",
    SharesSessions = "shares-sessions",
    DropsFailingSilently = "drops-failing-silently",
    TokenToEverySpace = "token-to-every-space",
    PublicParts = "public-parts",
    KeepsMirroredName = "keeps-mirrored-name",
    // What a secret is written into, and how.
    LogsTheToken = "logs-the-token",
    LogsTheKeyEncoded = "logs-the-key-encoded",
    LogsTheStartOfTheToken = "logs-the-start-of-the-token",
    TokenInTheTarget = "token-in-the-target",
    TokenToTheStatic = "token-to-the-static",
    TellsTheToken = "tells-the-token",
    // What operators are shown.
    LogsRefusalsAsErrors = "logs-refusals-as-errors",
    NamesNoRequest = "names-no-request",
    CountsByToken = "counts-by-token",
    CountsAnyName = "counts-any-name",
    CountsFailuresAsOne = "counts-failures-as-one",
    TimesProbesWithRequests = "times-probes-with-requests",
    // What an answer that is no verdict becomes.
    FailsClosedOnTimeout = "fails-closed-on-timeout",
    NoDeadline = "no-deadline",
    Synthesises401From500 = "synthesises-401-from-500",
    Relays407 = "relays-407",
    RelaysRedirects = "relays-redirects",
    RelaysLoginPage = "relays-login-page",
    DropsRetryAfter = "drops-retry-after",
    CompletesBrokenBodies = "completes-broken-bodies",
    ClientCredentialsRefusalAs401 = "401-for-client-credentials-refusal",
    NamesUpstreamInErrors = "names-upstream-in-errors",
    // What is different and right: how an answer is written.
    TitleCase = "title-case",
    OtherReasons = "other-reasons",
    MoreFields = "more-fields",
    SmallPieces = "small-pieces",
    ChunksEverything = "chunks-everything",
    BodiesEndByClosing = "bodies-end-by-closing",
    ClosesConnections = "closes-connections",
    TakesItsTime = "takes-its-time",
    SpeaksHttp2 = "speaks-http2",
    // What a body says, and in which form.
    OtherWords = "other-words",
    PlainText = "plain-text",
    NoWords = "no-words",
    ProblemDetails = "problem-details",
    JsonOtherwise = "json-otherwise",
    AnswersInEvents = "answers-in-events",
    ReadsAnswersFirst = "reads-answers-first",
    DocumentsOtherwise = "documents-otherwise",
    // What a challenge looks like.
    ChallengeOtherwise = "challenge-otherwise",
    SeveralChallenges = "several-challenges",
    // What is asked, and what is offered.
    AsksNothingBeforehand = "asks-nothing-beforehand",
    ProbesOtherwise = "probes-otherwise",
    RemembersAcceptance = "remembers-acceptance",
    ForbidsTheUnknown = "forbids-the-unknown",
    OffersNoStream = "offers-no-stream",
    // Where things are, and what they are called.
    Underscores = "underscores",
    OtherPlaces = "other-places",
}

/// A fault as `defects.toml` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// The decision that is wrong; its name is the fault's name.
    #[serde(rename = "name")]
    pub switch: Switch,
    /// What the gateway does, in one line.
    pub description: String,
    /// Where it was seen in the wild.
    #[serde(default)]
    pub reported_in: Vec<String>,
    /// The profiles in which it is driven: those in which it can show.
    #[serde(default = "seed")]
    pub profiles: Vec<Profile>,
    /// The requirements that the suite must report as failed: these and no others.
    pub fails: Vec<String>,
}

pub(super) fn seed() -> Vec<Profile> {
    vec![Profile::Seed]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    defect: Vec<Fault>,
}

static ALL: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../defects.toml"))
        .expect("defects.toml is embedded, and a test parses it");
    file.defect
});

/// Every fault, in the order of `defects.toml`.
#[must_use]
pub fn all() -> &'static [Fault] {
    &ALL
}

impl Fault {
    /// The fault of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        all().iter().find(|fault| fault.name() == name)
    }

    /// The name behind `builtin:defect/`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.switch.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_described_once() {
        let variants = super::super::variant::all().iter().map(|variant| variant.switch);
        let described: Vec<_> = all().iter().map(|fault| fault.switch).chain(variants).collect();
        for switch in Switch::ALL {
            assert_eq!(
                described.iter().filter(|described| *described == switch).count(),
                1,
                "{}",
                switch.as_str()
            );
        }
    }

    #[test]
    fn every_fault_fails_something() {
        for fault in all() {
            assert!(!fault.fails.is_empty(), "{} would go unnoticed", fault.name());
        }
    }
}
