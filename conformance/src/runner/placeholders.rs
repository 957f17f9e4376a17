//! Fills the placeholders of scenario steps: where the gateway and the mock upstreams are, the
//! tokens of the case, and the parts of a request on the wire. `cases/placeholder.rs` lists them.

use crate::{
    cases::{
        deployment::Deployment,
        placeholder::{fill, split},
    },
    client::Request,
    implementations::CredentialLayout,
};

/// The values of the placeholders in one step.
pub(super) struct StepValues<'a> {
    pub(super) route: &'a str,
    pub(super) server: &'a str,
    pub(super) token: &'a str,
    pub(super) credential_layout: &'a CredentialLayout,
    pub(super) deployment: &'a Deployment,
    pub(super) host: &'a str,
    pub(super) elsewhere: &'a str,
    /// The narrowing header of the implementation, or a name that no implementation reads.
    pub(super) narrowing_header: &'a str,
    /// The longest message that the implementation takes, in bytes, where it declares one.
    pub(super) message_bytes: Option<usize>,
}

impl StepValues<'_> {
    /// The text with its placeholders filled. Unknown ones were rejected when the scenario was
    /// read.
    pub(super) fn fill(&self, text: &str) -> String {
        fill(text, |inside| self.value(inside)).unwrap_or_default()
    }

    fn value(&self, inside: &str) -> Option<String> {
        let (name, argument) = split(inside);
        let server = argument.unwrap_or(self.server);
        let value = match name {
            "endpoint" => self.route.replace("{server}", server),
            "server" => self.server.to_owned(),
            "token" => self.token.to_owned(),
            "token-for" => format!("{}.{server}", self.token),
            "token-header" => self
                .credential_layout
                .server_token_header
                .as_deref()
                .unwrap_or_default()
                .replace("{server}", server),
            "letters" => {
                "x".repeat(argument.and_then(|number| number.parse().ok()).unwrap_or_default())
            }
            "narrowing-header" => self.narrowing_header.to_owned(),
            "full-key" => self.deployment.full_key.clone(),
            "admission-bearer" => self.deployment.admission_bearer.clone(),
            "host" => self.host.to_owned(),
            "elsewhere" => self.elsewhere.to_owned(),
            "allowed-origin" => self.deployment.page.clone(),
            _ => return None,
        };
        Some(value)
    }

    /// The bytes of the lines of a raw step, around a request whose parts they name.
    pub(super) fn bytes(&self, lines: &[String], request: &Request) -> Vec<u8> {
        let text = lines.join("\r\n");
        let text = fill(&text, |inside| {
            self.value(inside).or_else(|| self.part_of_request(inside, request))
        })
        .unwrap_or_default();
        // A text can be some megabytes long, so it is searched only if a line is the placeholder.
        if !lines.iter().any(|line| line == REST_HEX) {
            return text.into_bytes();
        }
        match text.split_once(REST_HEX_LINE) {
            Some((before, rest)) => {
                format!("{before}{:04x}\r\n{rest}\r\n0\r\n\r\n", rest.len()).into_bytes()
            }
            None => text.into_bytes(),
        }
    }

    fn part_of_request(&self, name: &str, request: &Request) -> Option<String> {
        let message = &request.body;
        let oversized = self.message_bytes.unwrap_or_default() + 1;
        let value = match name {
            "credentials" => {
                let lines: Vec<String> = request
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                lines.join("\r\n")
            }
            "message" => message.clone(),
            "length" => message.len().to_string(),
            "chunks" => format!("{:x}\r\n{message}\r\n0\r\n\r\n", message.len()),
            "long" => "x".repeat(1 << 20),
            "oversized" => "x".repeat(oversized),
            "oversized-length" => oversized.to_string(),
            "oversized-hex" => format!("{oversized:x}"),
            // Its value depends on the text behind it, so it is filled last.
            "rest-hex" => REST_HEX.to_owned(),
            _ => return None,
        };
        Some(value)
    }
}

/// The placeholder for the number of bytes behind its line.
const REST_HEX: &str = "{rest-hex}";

/// The line whose value is the number of bytes behind it.
const REST_HEX_LINE: &str = "{rest-hex}\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::placeholder::{IN_RAW_LINES, IN_STEPS};

    fn credential_layout() -> CredentialLayout {
        CredentialLayout {
            key_header: "x-key".into(),
            key_prefix: String::new(),
            token_header: "authorization".into(),
            token_prefix: "Bearer ".into(),
            server_token_header: Some("x-{server}-token".into()),
        }
    }

    #[test]
    fn names_stand_for_servers_and_parts_of_the_request() {
        let deployment = Deployment { page: "https://page".into(), ..Deployment::default() };
        let credential_layout = credential_layout();
        let values = StepValues {
            route: "/mcp/{server}",
            server: "alpha",
            token: "t",
            credential_layout: &credential_layout,
            deployment: &deployment,
            host: "gw:1",
            elsewhere: "other:2",
            narrowing_header: "x-only",
            message_bytes: Some(2),
        };
        assert_eq!(
            values.fill("{endpoint @{elsewhere}} {endpoint beta} {narrowing-header}"),
            "/mcp/@other:2 /mcp/beta x-only"
        );
        assert_eq!(
            values.fill("{token-header beta}: {token-for beta} {endpoint} {allowed-origin}"),
            "x-beta-token: t.beta /mcp/alpha https://page"
        );
        let headers = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
        let request = Request {
            method: "POST".into(),
            path: "/".into(),
            headers,
            body: "hello".into(),
            raw: true,
        };
        let bytes = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            String::from_utf8(values.bytes(&lines, &request)).unwrap()
        };
        assert_eq!(
            bytes(&[
                "POST {endpoint} HTTP/1.1",
                "Host: {host}",
                "{credentials}",
                "",
                "{chunks}{length} {oversized} {oversized-length}",
            ]),
            "POST /mcp/alpha HTTP/1.1\r\nHost: gw:1\r\na: 1\r\nb: \
             2\r\n\r\n5\r\nhello\r\n0\r\n\r\n5 xxx 3"
        );
        assert_eq!(
            bytes(&["Content-Length: 4", "", "{rest-hex}", "GET / HTTP/1.1", "", ""]),
            "Content-Length: 4\r\n\r\n0012\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"
        );
        for (name, _) in IN_STEPS {
            assert!(values.value(name).is_some(), "{name}");
        }
        for (name, _) in IN_RAW_LINES {
            assert!(values.part_of_request(name, &request).is_some(), "{name}");
        }
    }
}
