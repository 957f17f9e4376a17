//! Finds an implementation by its name: `builtin:…`, `url:…`, the name of an embedded description,
//! or the path of a folder.

use std::time::Duration;

use super::{
    AggregateEndpoints, Audit, CredentialLayout, Deadlines, Description, ImplementationError,
    Surfaces, builtin,
    implementation::{Implementation, Kind},
    preset::Preset,
};
use crate::{
    cases::axis::Strategy,
    catalogue::{Feature, GatewayKind, Profile, ProtocolVersion},
    model_gateway::{self, Decisions, Defect, Variant},
};

/// What describes a gateway at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlDescription<'a> {
    /// The description of this implementation.
    Like(&'a str),
    /// The preset of this kind.
    Kind(GatewayKind),
}

impl Implementation {
    /// Finds the implementation with this name.
    ///
    /// `url_description` describes a gateway `url:…`; other implementations do not need it.
    ///
    /// # Errors
    ///
    /// There is no such implementation, its description is invalid, or nothing describes a gateway
    /// at a URL.
    pub fn resolve(
        name: &str,
        url_description: Option<UrlDescription<'_>>,
    ) -> Result<Self, ImplementationError> {
        if let Some(url) = name.strip_prefix("url:") {
            return Self::at_url(name, url, url_description);
        }
        if let Some(defect) = name.strip_prefix("builtin:defect/") {
            let found = Defect::find(defect).ok_or_else(|| {
                let known: Vec<&str> = Defect::all().iter().map(|defect| defect.name).collect();
                unknown_model("defect", defect, &known)
            })?;
            return Ok(Self::model(name, found.decisions(), found.profiles));
        }
        if let Some(variant) = name.strip_prefix("builtin:variant/") {
            let found = Variant::find(variant).ok_or_else(|| {
                let known: Vec<&str> = Variant::all().iter().map(|variant| variant.name).collect();
                unknown_model("variant", variant, &known)
            })?;
            return Ok(Self::variant(name, found));
        }
        match name.strip_prefix("builtin:") {
            Some("reference") => Ok(Self::builtin(name, Kind::Reference)),
            Some("model") => Ok(Self::model(name, Decisions::correct(), Profile::ALL)),
            Some(_) => Err(ImplementationError::UnknownBuiltin(name.to_owned())),
            None => Ok(Self::described(name, Description::find(name)?)),
        }
    }

    fn at_url(
        name: &str,
        url: &str,
        url_description: Option<UrlDescription<'_>>,
    ) -> Result<Self, ImplementationError> {
        let described_by = match url_description {
            Some(UrlDescription::Like(like)) => Self::resolve(like, None)?,
            Some(UrlDescription::Kind(kind)) => Self::of_kind(kind),
            None => return Err(ImplementationError::NoUrlDescription(name.to_owned())),
        };
        // The suite cannot start the gateway in another profile or with another strategy.
        let profile = described_by.main_profile;
        Ok(Self {
            name: name.to_owned(),
            version: "unknown".into(),
            profiles: vec![profile],
            strategies: vec![Strategy::Own],
            ours: false,
            baseline: None,
            kind: Kind::Url(url.to_owned()),
            ..described_by
        })
    }

    /// A gateway about which only its kind is known. It has no program.
    fn of_kind(kind: GatewayKind) -> Self {
        let preset = Preset::of(kind);
        Self {
            name: kind.to_string(),
            version: String::new(),
            gateway_kind: Some(kind),
            credential_layout: CredentialLayout::default(),
            routes: preset.routes.clone(),
            aggregate: None,
            profiles: preset.profiles.clone(),
            main_profile: main_profile(&preset.profiles),
            strategies: vec![Strategy::Own],
            features: [&preset.features[..], &[Feature::MultipleServers]].concat(),
            protocol_versions: preset.protocol_versions.clone(),
            surfaces: Surfaces::default(),
            deadlines: Deadlines::default(),
            ours: false,
            baseline: None,
            kind: Kind::Url(String::new()),
        }
    }

    /// A variant is judged like a foreign gateway: by the requirements that bind every
    /// implementation.
    fn variant(name: &str, variant: &Variant) -> Self {
        let mut implementation = Self::model(name, variant.decisions(), variant.profiles);
        implementation.features.retain(|feature| !variant.lacks.contains(feature));
        implementation.features.extend(variant.has);
        implementation.ours = false;
        if !implementation.features.contains(&Feature::PreflightProbe) {
            implementation.strategies = vec![Strategy::Own];
            // Without a probe, only the client's own request tests the token.
            implementation.deadlines.probe_ms = millis(model_gateway::REQUEST_DEADLINE);
        }
        implementation
    }

    fn model(name: &str, decisions: Decisions, profiles: &[Profile]) -> Self {
        let answer = 2 * (model_gateway::PROBE_DEADLINE + model_gateway::REQUEST_DEADLINE);
        let layout = decisions.layout();
        let aggregate_routes = layout.aggregate_routes.map(str::to_owned);
        let features = Feature::ALL
            .iter()
            .copied()
            .filter(|feature| !matches!(feature, Feature::CommitDeadline | Feature::Http2));
        Self {
            credential_layout: CredentialLayout {
                key_header: layout.key_header.to_owned(),
                key_prefix: layout.key_prefix.to_owned(),
                token_header: "authorization".to_owned(),
                token_prefix: "Bearer ".to_owned(),
                server_token_header: Some(layout.server_token_header.to_owned()),
            },
            routes: layout
                .routes
                .iter()
                .map(|route| (*route).to_owned())
                .chain(aggregate_routes.clone())
                .collect(),
            aggregate: Some(AggregateEndpoints {
                routes: aggregate_routes.to_vec(),
                narrowing_header: Some(layout.narrowing_header.to_owned()),
                name_separator: layout.name_separator.to_owned(),
            }),
            profiles: profiles.to_vec(),
            main_profile: main_profile(profiles),
            strategies: vec![Strategy::Probe],
            deadlines: Deadlines {
                probe_ms: millis(model_gateway::PROBE_DEADLINE),
                answer_ms: millis(answer),
            },
            features: features.collect(),
            ..Self::builtin(name, Kind::Model(decisions))
        }
    }

    fn builtin(name: &str, kind: Kind) -> Self {
        let to_strings =
            |routes: &[&str]| routes.iter().map(|route| (*route).to_owned()).collect::<Vec<_>>();
        Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway_kind: None,
            credential_layout: CredentialLayout {
                key_header: builtin::KEY_HEADER.to_owned(),
                key_prefix: String::new(),
                token_header: "authorization".to_owned(),
                token_prefix: "Bearer ".to_owned(),
                server_token_header: Some("x-mcp-{server}-authorization".to_owned()),
            },
            routes: to_strings(&[builtin::ROUTES, builtin::AGGREGATE_ROUTES].concat()),
            aggregate: Some(AggregateEndpoints {
                routes: to_strings(builtin::AGGREGATE_ROUTES),
                narrowing_header: Some(builtin::NARROWING_HEADER.to_owned()),
                name_separator: "-".to_owned(),
            }),
            profiles: Profile::ALL.to_vec(),
            main_profile: Profile::Seed,
            strategies: vec![Strategy::Probe, Strategy::Deferred],
            features: Feature::ALL.to_vec(),
            protocol_versions: ProtocolVersion::ALL.to_vec(),
            surfaces: Surfaces {
                message_bytes: Some(4 * 1024 * 1024),
                metrics: None,
                audit: Some(Audit {
                    request_id: "x-request-id".to_owned(),
                    caller: "limited".to_owned(),
                    stripped: "credential_stripped=true".to_owned(),
                }),
            },
            deadlines: Deadlines {
                probe_ms: builtin::PROBE_DEADLINE_MS,
                answer_ms: builtin::ANSWER_DEADLINE_MS,
            },
            ours: true,
            baseline: None,
            kind,
        }
    }

    fn described(name: &str, description: Description) -> Self {
        let mut routes = description.routes.clone();
        routes.extend(description.aggregate.iter().flat_map(|aggregate| aggregate.routes.clone()));
        Self {
            name: name.to_owned(),
            version: description.version.clone(),
            gateway_kind: Some(description.kind),
            credential_layout: description.credentials.clone(),
            routes,
            aggregate: description.aggregate.clone(),
            profiles: description.profiles.clone(),
            main_profile: main_profile(&description.profiles),
            strategies: description.strategies.clone(),
            features: description.features(),
            protocol_versions: description.protocol_versions.clone(),
            surfaces: description.surfaces.clone(),
            deadlines: description.deadlines.clone(),
            ours: false,
            baseline: description.read("baseline.toml"),
            kind: Kind::Described(Box::new(description)),
        }
    }
}

/// The main profile of an implementation with these profiles: `seed`, or else the first one.
fn main_profile(profiles: &[Profile]) -> Profile {
    let first = profiles.first().copied().unwrap_or_default();
    if profiles.contains(&Profile::Seed) { Profile::Seed } else { first }
}

fn unknown_model(kind: &'static str, name: &str, known: &[&str]) -> ImplementationError {
    ImplementationError::UnknownModel { kind, name: name.to_owned(), known: known.join(", ") }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_known_names() {
        let error = Implementation::resolve("builtin:defect/no-such-defect", None).unwrap_err();
        assert!(error.to_string().contains("swallows-401"), "{error}");
        let error = Implementation::resolve("builtin:variant/no-such-variant", None).unwrap_err();
        assert!(error.to_string().contains("title-case"), "{error}");
        assert!(!error.is_start());
        assert!(Implementation::resolve("builtin:modal", None).is_err());
        assert!(Implementation::resolve("nosuchgateway", None).is_err());
    }

    #[test]
    fn an_implementation_at_a_url_uses_the_description_of_another() {
        let like = UrlDescription::Like("litellm");
        let implementation = Implementation::resolve("url:http://127.0.0.1:1", Some(like)).unwrap();
        assert_eq!(implementation.credential_layout.key_prefix, "Bearer ");
        assert!(!implementation.can_restart() && !implementation.ours);
    }

    #[test]
    fn an_implementation_at_a_url_uses_the_preset_of_its_kind() {
        let kind = UrlDescription::Kind(GatewayKind::Relay);
        let implementation = Implementation::resolve("url:http://127.0.0.1:1", Some(kind)).unwrap();
        assert_eq!(implementation.profiles, [Profile::Transparent]);
    }

    #[test]
    fn an_implementation_at_a_url_needs_a_description() {
        let error = Implementation::resolve("url:http://127.0.0.1:1", None).unwrap_err();
        insta::assert_snapshot!(error, @"
        nothing describes url:http://127.0.0.1:1
        expected --kind KIND, or --like IMPLEMENTATION for the layout of a described gateway
        the kinds are
          relay                a plain reverse proxy, which passes requests and responses on as they are
          forwarding-gateway   a gateway with its own keys that forwards the caller's token, such as LiteLLM
          sdk-proxy            an MCP server built on an SDK that calls upstream servers, such as FastMCP's proxy
          catalogue            a gateway with its own keys, stored lists of tools, and a configured credential for each server
        if you do not know the kind, this command finds it out:
          preflight-conformance smoke url:http://127.0.0.1:1 --kind relay
        ");
    }
}
