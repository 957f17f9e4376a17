//! Defects in the challenges of refusals.

use http::header::{HOST, HeaderValue};
use url::form_urlencoded;

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::{
        challenge::{Parameters, own_challenge},
        layout::RESOURCE_METADATA,
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "no-challenge-on-401",
        description: "A 401 has no `WWW-Authenticate`.",
        reported_in: &["punkpeye/mcp-proxy#39", "punkpeye/fastmcp#357"],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "AGG-06", "CHL-01", "CHL-18", "CHL-23"],
        deviation: |decisions| decisions.challenges_of_401.change(|_, _| Vec::new()),
    },
    Defect {
        name: "bare-bearer",
        description: "The challenge is `Bearer` without parameters.",
        reported_in: &["punkpeye/mcp-proxy#44"],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "AGG-06", "CHL-02", "CHL-04", "CHL-05", "CHL-11"],
        deviation: |decisions| decisions.challenge_parameters.change(|_, _| Parameters::new()),
    },
    Defect {
        name: "unquoted-challenge",
        description: "The values of the challenge's parameters are not quoted.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["CHL-01", "CHL-03"],
        deviation: |decisions| decisions.challenge_quote.change(""),
    },
    Defect {
        name: "no-authorization-uri",
        description: "The challenge lacks `authorization_uri`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-04"],
        deviation: |decisions| {
            decisions
                .challenge_parameters
                .change(|parameters, _| without(parameters, &["authorization_uri"]));
        },
    },
    Defect {
        name: "no-resource-metadata",
        description: "The challenge lacks `resource_metadata`.",
        reported_in: &["modelcontextprotocol#581"],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "AGG-06", "CHL-05"],
        deviation: |decisions| {
            decisions
                .challenge_parameters
                .change(|parameters, _| without(parameters, &["resource_metadata"]));
        },
    },
    Defect {
        name: "relays-upstream-challenge",
        description: "The upstream's challenges follow the gateway's own.",
        reported_in: &["getsentry/sentry-mcp#939"],
        profiles: &[Profile::Seed],
        fails: &["CHL-01", "CHL-02", "CHL-03", "CHL-13", "CHL-19", "CHL-20"],
        deviation: |decisions| {
            decisions.challenges_of_401.change(|mut challenges, refusal| {
                challenges.extend(refusal.challenges());
                challenges
            });
        },
    },
    Defect {
        name: "same-own-refusal",
        description: "The 401 for an invalid gateway key has the challenge of a 401 from an \
            upstream.",
        reported_in: &["wso2/api-platform#3188", "th#5056"],
        profiles: &[Profile::Seed],
        fails: &["CRD-17"],
        deviation: |decisions| {
            decisions
                .own_challenge
                .change(|_, challenge_of_endpoint| challenge_of_endpoint());
        },
    },
    Defect {
        name: "echoes-names",
        description: "The realm of the gateway's own challenge repeats the path of the request, \
            decoded.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-14"],
        deviation: |decisions| {
            decisions.own_challenge.change(|request, _| {
                let path: String = form_urlencoded::parse(request.path.as_bytes())
                    .map(|(path, _)| path.into_owned())
                    .collect();
                HeaderValue::try_from(format!("Bearer realm=\"{path}\""))
                    .unwrap_or_else(|_| own_challenge())
            });
        },
    },
    Defect {
        name: "foreign-resource-metadata",
        description: "The challenge refers to the upstream's resource metadata.",
        reported_in: &["litellm#36803", "inspector#1802"],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "CHL-06", "CHL-20"],
        deviation: |decisions| {
            decisions.challenge_parameters.change(|mut parameters, refusal| {
                for (name, value) in &mut parameters {
                    if *name == "resource_metadata" {
                        *value = refusal.url.replace("/mcp", &format!("{RESOURCE_METADATA}/mcp"));
                    }
                }
                parameters
            });
        },
    },
    Defect {
        name: "challenge-leaks-upstream-url",
        description: "The challenge contains the upstream's URL.",
        reported_in: &["api7/aisix#661"],
        profiles: &[Profile::Seed],
        fails: &["CHL-20"],
        deviation: |decisions| {
            decisions.challenge_parameters.change(|mut parameters, refusal| {
                parameters.push(("error_description", format!("refused by {}", refusal.url)));
                parameters
            });
        },
    },
    Defect {
        name: "error-without-token",
        description: "The challenge has `error=\"invalid_token\"` although the request had no \
            token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-12"],
        deviation: |decisions| {
            decisions.challenge_parameters.change(|mut parameters, _| {
                if parameters.iter().all(|(name, _)| *name != "error") {
                    parameters.push(("error", "invalid_token".to_owned()));
                }
                parameters
            });
        },
    },
    Defect {
        name: "no-invalid-token",
        description: "The challenge lacks `error=\"invalid_token\"` although a token was refused.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-11"],
        deviation: |decisions| {
            decisions
                .challenge_parameters
                .change(|parameters, _| without(parameters, &["error"]));
        },
    },
    Defect {
        name: "host-derived-metadata",
        description: "The URLs of a challenge are built from `Host` or `X-Forwarded-Host` of the \
            request.",
        reported_in: &["agentgateway#449", "agentgateway#545"],
        profiles: &[Profile::Seed, Profile::Mcp],
        fails: &["CHL-04", "CHL-07"],
        deviation: |decisions| {
            decisions.public_url.change(|configured, headers| {
                let host = headers.get("x-forwarded-host").or_else(|| headers.get(HOST));
                host.and_then(|host| host.to_str().ok())
                    .map_or_else(|| configured.to_owned(), |host| format!("http://{host}"))
            });
        },
    },
    Defect {
        name: "renames-challenge",
        description: "The challenge is in the field `x-amzn-remapped-www-authenticate`.",
        reported_in: &["claude-ai-mcp#748"],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "AGG-06", "CHL-01", "CHL-18", "CHL-23"],
        deviation: |decisions| decisions.challenge_field.change("x-amzn-remapped-www-authenticate"),
    },
    Defect {
        name: "drops-scope",
        description: "The rewritten challenge lacks the upstream's scope.",
        reported_in: &[],
        profiles: &[Profile::Mcp],
        fails: &["CHL-09", "CHL-19", "STA-07"],
        deviation: |decisions| {
            decisions
                .challenge_parameters
                .change(|parameters, _| without(parameters, &["scope"]));
        },
    },
    Defect {
        name: "adds-offline-access",
        description: "The rewritten challenge adds `offline_access` to the upstream's scope.",
        reported_in: &[],
        profiles: &[Profile::Mcp],
        fails: &["CHL-09", "STA-07"],
        deviation: |decisions| {
            decisions.challenge_parameters.change(|mut parameters, _| {
                for (name, value) in &mut parameters {
                    if *name == "scope" {
                        value.push_str(" offline_access");
                    }
                }
                parameters
            });
        },
    },
    Defect {
        name: "drops-description",
        description: "The rewritten challenge lacks the upstream's `error_description`, \
            `error_uri` and `realm`.",
        reported_in: &["mcp-proxy#44"],
        profiles: &[Profile::Mcp],
        fails: &["CHL-10"],
        deviation: |decisions| {
            decisions.challenge_parameters.change(|parameters, _| {
                without(parameters, &["error_description", "error_uri", "realm"])
            });
        },
    },
    Defect {
        name: "keeps-dpop",
        description: "The upstream's DPoP challenge is relayed, although no proof for the \
            gateway's URL satisfies the upstream.",
        reported_in: &[],
        profiles: &[Profile::Mcp],
        fails: &["CHL-16"],
        deviation: |decisions| {
            decisions.challenges_of_401.change(|mut challenges, refusal| {
                let upstream = refusal.challenges();
                challenges.extend(
                    upstream.into_iter().filter(|line| line.as_bytes().starts_with(b"DPoP")),
                );
                challenges
            });
        },
    },
    Defect {
        name: "challenges-403",
        description: "A 403 has a challenge.",
        reported_in: &["microsoft/vscode#334970"],
        profiles: &[Profile::Seed],
        fails: &["STA-06", "STA-08"],
        deviation: |decisions| decisions.challenges_403.change(|_, _| true),
    },
    Defect {
        name: "loses-step-up",
        description: "A 403 that asks for more scope loses its challenge.",
        reported_in: &[],
        profiles: &[Profile::Mcp],
        fails: &["STA-07"],
        deviation: |decisions| decisions.challenges_403.change(|_, _| false),
    },
    Defect {
        name: "steps-up-anyway",
        description: "Every upstream 403 gets a challenge, although it does not ask for more \
            scope.",
        reported_in: &["python-sdk#1602"],
        profiles: &[Profile::Mcp],
        fails: &["STA-08"],
        deviation: |decisions| decisions.challenges_403.change(|_, _| true),
    },
    Defect {
        name: "reorders-challenges",
        description: "The upstream's challenges are relayed in reverse order.",
        reported_in: &[],
        profiles: &[Profile::Transparent],
        fails: &["CHL-08"],
        deviation: |decisions| {
            decisions.challenges_of_401.change(|mut challenges, _| {
                challenges.reverse();
                challenges
            });
        },
    },
    Defect {
        name: "adds-a-challenge",
        description: "A challenge of the gateway's own follows the relayed challenges of the \
            upstream.",
        reported_in: &[],
        profiles: &[Profile::Transparent],
        fails: &["CHL-08"],
        deviation: |decisions| {
            decisions.challenges_of_401.change(|mut challenges, refusal| {
                if !refusal.challenges().is_empty() {
                    challenges.push(own_challenge());
                }
                challenges
            });
        },
    },
];

fn without(mut parameters: Parameters, names: &[&str]) -> Parameters {
    parameters.retain(|(name, _)| !names.contains(name));
    parameters
}
