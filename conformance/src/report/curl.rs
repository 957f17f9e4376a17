//! The `curl` command that repeats a recorded request.
//!
//! It works while the gateway and the mock upstreams of that run are running; `--hold` keeps them.

use std::fmt::Write as _;

use crate::trace::{Exchange, printable::is_hidden};

/// The `curl` command that repeats the request of an exchange with the gateway at this base URL.
#[must_use]
pub fn curl(base_url: &str, exchange: &Exchange) -> String {
    let mut line = format!(
        "curl -isS --no-buffer -X {} {}",
        word(&exchange.method),
        quoted(&format!("{base_url}{}", exchange.path))
    );
    for (name, value) in &exchange.sent_headers {
        let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
    }
    if exchange.method == "HEAD" {
        line.push_str(" -I");
    }
    if !exchange.sent_body.is_empty() {
        let _ = write!(line, " --data-binary {}", quoted(&exchange.sent_body));
    }
    line
}

/// The argument as it is, or quoted if a shell would not read it as one word.
pub(super) fn word(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        quoted(argument)
    }
}

/// The argument quoted for a POSIX shell, or for bash if it has characters that must be escaped to
/// be visible.
pub(super) fn quoted(argument: &str) -> String {
    if argument.chars().any(is_hidden) {
        let escape = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if is_hidden(c) => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\x{byte:02x}")).collect()
            }
            c => c.to_string(),
        };
        return format!("$'{}'", argument.chars().map(escape).collect::<String>());
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_a_quoted_argument_unchanged() {
        for argument in [
            "plain",
            "it's",
            "a\"b",
            "odd \u{1} byte",
            "back\\slash'\u{2}",
            "\u{202e}right to left\u{9b}",
            "$HOME `ls`",
        ] {
            let command = format!("printf %s {}", quoted(argument));
            let output =
                std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), argument);
        }
    }
}
