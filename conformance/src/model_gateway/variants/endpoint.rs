//! Variants in endpoints: their paths and field names, and what they answer.

use super::Variant;
use crate::{
    catalogue::{Feature, Profile},
    model_gateway::layout::{Layout, STANDARD},
};

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "forbids-the-unknown",
        description: "The gateway answers 403 for an unknown server and for one that the caller \
            may not use.",
        permitted_by: &["GATE-07: both get the same response", "RFC 9110 §15.5.4"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.forbids_inaccessible_server.change(|_| true),
    },
    Variant {
        name: "offers-no-stream",
        description: "The gateway answers GET with 405 unless it refuses the token.",
        permitted_by: &["STR-07: 405 if no stream is offered, after authorization"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.offers_get_stream.change(false),
    },
    Variant {
        name: "requires-session",
        description: "The gateway answers 400 to a request without a session, and 404 to one with \
            a session that it does not know or that has ended, as gateways on an MCP SDK do.",
        permitted_by: &["MCP 2025-11-25, Streamable HTTP, Session Management 2 and 3"],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[Feature::SessionlessRequests],
        forgoes: &[],
        deviation: |decisions| decisions.requires_session.change(true),
    },
    Variant {
        name: "reads-names-to-the-hash",
        description: "A server name ends before an encoded `#`.",
        permitted_by: &["GATE-01, GATE-03: the shorter name selects a server that the key may use"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.server_name.change(|name| name.split("%23").next().unwrap_or(name));
        },
    },
    Variant {
        name: "answers-initialize-itself",
        description: "An aggregate endpoint answers `initialize` without a request to its servers.",
        permitted_by: &["AGG-01", "MCP lifecycle, Initialization: the server that answers"],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.answers_initialize_itself.change(true),
    },
    Variant {
        name: "keeps-no-sessions",
        description: "The gateway gives clients no session, and ignores session ids.",
        permitted_by: &[
            "MCP 2025-11-25, Streamable HTTP, Session Management 1: a server MAY assign a session \
             id",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[Feature::Sessions, Feature::AggregateEndpoints, Feature::Toolsets],
        forgoes: &[],
        deviation: |decisions| decisions.keeps_no_sessions.change(true),
    },
    Variant {
        name: "underscores",
        description: "The name of a tool has two underscores after the name of its server.",
        permitted_by: &["AGG-13: any separator after the prefix"],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.chosen_layout.change(&UNDERSCORES),
    },
    Variant {
        name: "other-places",
        description: "Paths, the field of the key, its prefix, the narrowing field and the \
            separator are unusual.",
        permitted_by: &[
            "CRD-03: the key's header is configurable",
            "MCP 2025-11-25, Streamable HTTP: one endpoint with any path",
        ],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.chosen_layout.change(&UNUSUAL),
    },
];

static UNDERSCORES: Layout = Layout { name_separator: "__", ..STANDARD };

static UNUSUAL: Layout = Layout {
    key_header: "x-gateway-key",
    key_prefix: "Bearer ",
    server_token_header: "x-token-of-{server}",
    routes: &[
        "/gateway/v1/servers/{server}/messages",
        "/gateway/v1/servers/{server}/messages/",
    ],
    aggregate_routes: [
        "/gateway/v1/messages",
        "/gateway/v1/some/{servers}",
        "/gateway/v1/sets/{toolset}",
    ],
    narrowing_header: "x-only",
    name_separator: ".",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusual_layout_has_only_its_own_paths() {
        assert_eq!(UNUSUAL.server_in(&UNUSUAL.path_of("alpha")), Some("alpha"));
        assert_eq!(UNUSUAL.server_in("/mcp/alpha"), None);
    }
}
