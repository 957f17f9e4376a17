//! Fills what a scenario leaves open: where the gateway and the mock upstreams are, the tokens of the case, and the parts of a request on the wire.
//!
//! | placeholder | stands for |
//! | --- | --- |
//! | `{mcp}`, `{server}`, `{mcp NAME}` | the first route of the server asked; its name; the first route with another name in it |
//! | `{token}`, `{own NAME}` | the token of the case; one that tells by its end for which server it is |
//! | `{header-of NAME}`, `{narrowing}` | the header that carries the credential of that server alone; the one that narrows a request to several |
//! | `{full-key}`, `{admission}` | the key for every server; the bearer that admits |
//! | `{host}`, `{elsewhere}`, `{page}` | the gateway's host and port; those of an origin that nobody configured; a page that may use the gateway |
//! | `{credentials}`, `{message}`, `{length}`, `{chunks}` | in bytes: the lines of the step's credentials, its message, the length of that, and it as one chunk |
//! | `{rest-hex}` | in bytes: the number of those behind its line, as a chunk's size of four digits; they are then followed by the last chunk |
//! | `{long}`, `{over}`, `{over-length}`, `{over-hex}` | 1 MiB of one letter; as many bytes as are too many for a message, and their number |

use crate::{cases::deployment::Deployment, client::Request, implementations::CredentialLayout};

/// What placeholders stand for in one step.
pub(super) struct Places<'a> {
    pub(super) route: &'a str,
    pub(super) server: &'a str,
    pub(super) token: &'a str,
    pub(super) credential_layout: &'a CredentialLayout,
    pub(super) deployment: &'a Deployment,
    pub(super) host: &'a str,
    pub(super) elsewhere: &'a str,
    /// Where nothing narrows, a name that nobody reads.
    pub(super) narrowing: &'a str,
    /// The longest message that the implementation takes, where it says.
    pub(super) message_bytes: Option<usize>,
}

impl Places<'_> {
    /// The text with everything filled in that stands outside bytes.
    pub(super) fn fill(&self, text: &str) -> String {
        let header_of = |server: &str| {
            self.credential_layout
                .server_token_header
                .as_deref()
                .unwrap_or_default()
                .replace("{server}", server)
        };
        let text = text
            .replace("{elsewhere}", self.elsewhere)
            .replace("{narrowing}", self.narrowing);
        let text = each(&text, "{mcp ", |server| self.route.replace("{server}", server));
        let text = each(&text, "{own ", |server| format!("{}.{server}", self.token));
        each(&text, "{header-of ", header_of)
            .replace("{mcp}", self.route)
            .replace("{server}", self.server)
            .replace("{token}", self.token)
            .replace("{full-key}", &self.deployment.full_key)
            .replace("{admission}", &self.deployment.admission_bearer)
            .replace("{host}", self.host)
            .replace("{page}", &self.deployment.page)
    }

    /// The bytes that lines stand for, around a request whose parts they name.
    pub(super) fn bytes(&self, lines: &[String], request: &Request) -> Vec<u8> {
        let credentials: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let message = &request.body;
        let over = self.message_bytes.unwrap_or_default() + 1;
        let part = |name: &str| match name {
            "{credentials}" => credentials.join("\r\n"),
            "{message}" => message.clone(),
            "{length}" => message.len().to_string(),
            "{chunks}" => format!("{:x}\r\n{message}\r\n0\r\n\r\n", message.len()),
            "{long}" => "x".repeat(1 << 20),
            "{over}" => "x".repeat(over),
            "{over-hex}" => format!("{over:x}"),
            _ => over.to_string(),
        };
        let mut text = self.fill(&lines.join("\r\n"));
        for name in [
            "{credentials}",
            "{message}",
            "{length}",
            "{chunks}",
            "{long}",
            "{over}",
            "{over-hex}",
            "{over-length}",
        ] {
            if text.contains(name) {
                text = text.replace(name, &part(name));
            }
        }
        if let Some((line, rest)) = text.split_once("{rest-hex}\r\n") {
            text = format!("{line}{:04x}\r\n{rest}\r\n0\r\n\r\n", rest.len());
        }
        text.into_bytes()
    }
}

/// Replaces every `{word NAME}` by what is made of the name.
fn each(text: &str, opening: &str, made: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(opening);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        filled.push_str(&made(name));
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn names_stand_for_servers_and_bytes_for_the_request() {
        let deployment = Deployment { page: "https://page".into(), ..Deployment::default() };
        let credential_layout = credential_layout();
        let (route, server, token, host, elsewhere) =
            ("/mcp/{server}", "alpha", "t", "gw:1", "other:2");
        let places = Places {
            route,
            server,
            token,
            credential_layout: &credential_layout,
            deployment: &deployment,
            host,
            elsewhere,
            narrowing: "x-only",
            message_bytes: Some(2),
        };
        assert_eq!(
            places.fill("{mcp @{elsewhere}} {mcp beta} {narrowing}"),
            "/mcp/@other:2 /mcp/beta x-only"
        );
        assert_eq!(
            places.fill("{header-of beta}: {own beta} {mcp} {page}"),
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
        let lines = [
            "POST {mcp} HTTP/1.1",
            "Host: {host}",
            "{credentials}",
            "",
            "{chunks}{length} {over} {over-length}",
        ];
        assert_eq!(
            String::from_utf8(places.bytes(&lines.map(str::to_owned), &request)).unwrap(),
            "POST /mcp/alpha HTTP/1.1\r\nHost: gw:1\r\na: 1\r\nb: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n5 xxx 3"
        );
        let hidden = ["Content-Length: 4", "", "{rest-hex}", "GET / HTTP/1.1", "", ""];
        let bytes = places.bytes(&hidden.map(str::to_owned), &request);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "Content-Length: 4\r\n\r\n0012\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"
        );
    }
}
