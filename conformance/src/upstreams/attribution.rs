//! Decides which case a request belongs to and which behaviour it gets.
//!
//! The first of these that applies decides: the script of a token anywhere in the request, the
//! assignment of the server, the session of the request.

use super::{
    assigned_behaviour::{Assignment, Assignments},
    record::Record,
    request::Request,
};
use crate::{
    cases::token_script::{CaseId, TokenScript},
    trace::all_headers,
};

/// The case and the behaviour of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attribution {
    /// `None` for a request that the implementation sent without a client request.
    pub(super) case: Option<CaseId>,
    /// A behaviour of `upstreams.toml`; `None` for the healthy default.
    pub(super) behaviour: Option<String>,
}

impl Assignments {
    /// The case and the behaviour of a request to this server.
    pub(super) fn attribute(
        &self,
        server: &str,
        request: &Request,
        record: &Record,
    ) -> Attribution {
        let assignment = self.current(server);
        if let Some(script) = find_script(request) {
            let scripted = script.behaviour_of(server).map(str::to_owned);
            return Attribution {
                behaviour: scripted.or(assignment.map(|assignment| assignment.behaviour)),
                case: Some(script.case),
            };
        }
        let session_case = request.session().and_then(|session| record.session_case(session));
        match assignment {
            // The DELETE of an earlier case may arrive while the next case has the assignment.
            Some(assignment)
                if !ends_other_session(request, session_case.as_ref(), &assignment) =>
            {
                Attribution {
                    case: Some(assignment.case),
                    behaviour: Some(assignment.behaviour),
                }
            }
            _ => Attribution { case: session_case, behaviour: None },
        }
    }
}

/// Whether the request ends a session of another case than the assigned one.
fn ends_other_session(
    request: &Request,
    session_case: Option<&CaseId>,
    assignment: &Assignment,
) -> bool {
    request.method == "DELETE" && session_case.is_some_and(|case| *case != assignment.case)
}

/// The script of the token in `Authorization`, or else of a token anywhere in the request.
///
/// A disclosed token is therefore attributed to its case as well.
fn find_script(request: &Request) -> Option<TokenScript> {
    all_headers(&request.headers, "authorization")
        .find_map(TokenScript::find)
        .or_else(|| {
            request.headers.iter().find_map(|(name, value)| {
                TokenScript::find(value).or_else(|| TokenScript::find(name))
            })
        })
        .or_else(|| TokenScript::find(&request.target))
        .or_else(|| TokenScript::find(&request.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)], target: &str, body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        }
    }

    fn token(case: &str) -> String {
        TokenScript::for_every_server(
            CaseId(case.to_owned()),
            "401-full+empty",
            "canary".to_owned(),
        )
        .token()
    }

    fn case_of(request: &Request) -> Option<String> {
        Assignments::new(["alpha"])
            .attribute("alpha", request, &Record::default())
            .case
            .map(|case| case.0)
    }

    #[test]
    fn a_token_anywhere_in_the_request_attributes_it() {
        let (a, b) = (token("a"), token("b"));
        let bearer = format!("Bearer {a}");
        let two_tokens = request(&[("x-stray", &b), ("Authorization", &bearer)], "/mcp", &b);
        assert_eq!(case_of(&two_tokens), Some("a".into()));
        let cookie = request(&[("Cookie", &format!("t={b}"))], "/mcp", "");
        assert_eq!(case_of(&cookie), Some("b".into()));
        let query = request(&[], &format!("/mcp?access_token={a}"), "");
        assert_eq!(case_of(&query), Some("a".into()));
        let body = request(&[], "/mcp", &format!("{{\"token\":\"{a}\"}}"));
        assert_eq!(case_of(&body), Some("a".into()));
        let other = request(&[("Authorization", "Bearer other")], "/mcp", "{}");
        assert_eq!(case_of(&other), None);
    }

    #[tokio::test]
    async fn a_request_without_a_script_belongs_to_the_assignment() {
        let assignments = Assignments::new(["static"]);
        let record = Record::default();
        let unscripted = request(&[("Authorization", "Bearer own")], "/mcp", "{}");
        let guard = assignments.assign("static", CaseId("s".to_owned()), "403-bare").await;
        let expected = Attribution {
            case: Some(CaseId("s".to_owned())),
            behaviour: Some("403-bare".to_owned()),
        };
        assert_eq!(assignments.attribute("static", &unscripted, &record), expected);
        drop(guard);
        let unattributed = Attribution::default();
        assert_eq!(assignments.attribute("static", &unscripted, &record), unattributed);
    }
}
