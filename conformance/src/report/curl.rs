//! The `curl` command that repeats a recorded request.
//!
//! It works while the gateway and the mock upstreams of that run are running; `--hold` keeps them.

use std::fmt::Write as _;

use crate::trace::Exchange;

/// The `curl` command that repeats the request of an exchange with the gateway at this base URL.
#[must_use]
pub fn curl(base_url: &str, exchange: &Exchange) -> String {
    let mut line = format!(
        "curl -isS --no-buffer -X {} {}",
        exchange.method,
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

/// The argument quoted for a POSIX shell, or for bash if it has control characters.
fn quoted(argument: &str) -> String {
    if argument.chars().any(char::is_control) {
        let escape = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
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
        for argument in
            ["plain", "it's", "a\"b", "odd \u{1} byte", "back\\slash'\u{2}", "$HOME `ls`"]
        {
            let command = format!("printf %s {}", quoted(argument));
            let output =
                std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), argument);
        }
    }
}
