//! Parses `WWW-Authenticate` strictly by the grammar of RFC 9110 §11.
//!
//! The suite has a parser of its own, so that it shares no error with an implementation. The parser
//! checks the syntax; rules decide which parameters a challenge should have.

use std::fmt::{self, Write};

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// As written; compared in any case.
    pub scheme: String,
    /// What follows the scheme.
    pub content: Content,
}

/// What follows the scheme of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Parameters; empty if nothing follows the scheme.
    Parameters(Vec<Parameter>),
    /// One opaque value.
    Token68(String),
}

/// One parameter of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As written; compared in any case.
    pub name: String,
    /// Without quotes and escapes.
    pub value: String,
    /// Whether it was written as a quoted-string.
    pub quoted: bool,
}

/// Why a field line is not a list of challenges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} at byte {at}")]
pub struct Malformed {
    /// The byte offset of the error.
    pub at: usize,
    /// What the grammar expects there.
    pub why: &'static str,
}

impl Challenge {
    /// Whether the challenge has this scheme.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        match &self.content {
            Content::Parameters(parameters) => parameters,
            Content::Token68(_) => &[],
        }
    }

    /// The first value of the parameter with this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters()
            .iter()
            .find(|parameter| parameter.name.eq_ignore_ascii_case(name))
            .map(|parameter| parameter.value.as_str())
    }

    /// The name of a repeated parameter (RFC 9110 §11.2 forbids repetition).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let parameters = self.parameters();
        let twin = |(at, parameter): (usize, &Parameter)| {
            parameters[..at]
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&parameter.name))
        };
        parameters
            .iter()
            .enumerate()
            .find(|(at, parameter)| twin((*at, parameter)))
            .map(|(_, parameter)| parameter.name.as_str())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        match &self.content {
            Content::Token68(value) => write!(f, " {value}"),
            Content::Parameters(parameters) => {
                for (at, Parameter { name, value, quoted }) in parameters.iter().enumerate() {
                    write!(f, "{} {name}=", if at == 0 { "" } else { "," })?;
                    if !*quoted {
                        f.write_str(value)?;
                        continue;
                    }
                    f.write_char('"')?;
                    for c in value.chars() {
                        if matches!(c, '"' | '\\') {
                            f.write_char('\\')?;
                        }
                        f.write_char(c)?;
                    }
                    f.write_char('"')?;
                }
                Ok(())
            }
        }
    }
}

/// Parses one field line by the grammar. As RFC 9110 requires of recipients, empty list members and
/// space around `=` are accepted.
///
/// # Errors
///
/// At the first byte that the grammar does not allow.
pub fn parse(line: &str) -> Result<Vec<Challenge>, Malformed> {
    Parser { line, at: 0, lenient: false }.challenges()
}

/// Parses one field line as a lenient client does: an unquoted value ends at the next comma.
///
/// The result shows what a malformed challenge means, not that it is valid.
///
/// # Errors
///
/// If a lenient client cannot parse the line either.
pub fn parse_leniently(line: &str) -> Result<Vec<Challenge>, Malformed> {
    Parser { line, at: 0, lenient: true }.challenges()
}

struct Parser<'a> {
    line: &'a str,
    at: usize,
    lenient: bool,
}

impl<'a> Parser<'a> {
    fn challenges(mut self) -> Result<Vec<Challenge>, Malformed> {
        let mut challenges = Vec::new();
        loop {
            self.skip(|c| matches!(c, ' ' | '\t' | ','));
            if self.rest().is_empty() {
                return Ok(challenges);
            }
            let scheme = self.token("expected a scheme")?.to_owned();
            let content = if self.rest().starts_with(' ') {
                self.content()?
            } else {
                Content::Parameters(Vec::new())
            };
            self.end_of_member()?;
            challenges.push(Challenge { scheme, content });
        }
    }

    fn content(&mut self) -> Result<Content, Malformed> {
        self.skip(|c| c == ' ');
        if let Some(value) = self.token68() {
            return Ok(Content::Token68(value.to_owned()));
        }
        let mut parameters = Vec::new();
        while self.parameter_follows() {
            parameters.push(self.parameter()?);
            let end = self.at;
            self.skip(|c| matches!(c, ' ' | '\t'));
            if !self.rest().starts_with(',') {
                break;
            }
            self.skip(|c| matches!(c, ' ' | '\t' | ','));
            if !self.parameter_follows() {
                self.at = end;
                break;
            }
        }
        Ok(Content::Parameters(parameters))
    }

    /// A token68 ends its list member; anything else that starts like one is a parameter or another
    /// challenge.
    fn token68(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let body = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c)))
            .unwrap_or(rest.len());
        let padded = rest[body..].find(|c| c != '=').map_or(rest.len(), |padding| body + padding);
        let behind = rest[padded..].trim_start_matches([' ', '\t']);
        if body == 0 || !(behind.is_empty() || behind.starts_with(',')) {
            return None;
        }
        self.at += padded;
        Some(&rest[..padded])
    }

    fn parameter_follows(&self) -> bool {
        let rest = self.rest();
        let name = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        name > 0 && rest[name..].trim_start_matches([' ', '\t']).starts_with('=')
    }

    fn parameter(&mut self) -> Result<Parameter, Malformed> {
        let name = self.token("expected the name of a parameter")?.to_owned();
        self.skip(|c| matches!(c, ' ' | '\t'));
        self.at += 1; // the `=` that `parameter_follows` saw
        self.skip(|c| matches!(c, ' ' | '\t'));
        if self.rest().starts_with('"') {
            return Ok(Parameter { name, value: self.quoted_string()?, quoted: true });
        }
        let value = if self.lenient {
            let rest = self.rest();
            let value = &rest[..rest.find([',', ' ', '\t', '"']).unwrap_or(rest.len())];
            self.at += value.len();
            value
        } else {
            self.token("expected a token or a quoted-string")?
        };
        Ok(Parameter { name, value: value.to_owned(), quoted: false })
    }

    fn quoted_string(&mut self) -> Result<String, Malformed> {
        let open = self.at;
        let mut value = String::new();
        let mut escaped = false;
        for (offset, c) in self.line[open + 1..].char_indices() {
            self.at = open + 1 + offset;
            match c {
                _ if c.is_ascii_control() && c != '\t' => {
                    return self.wants("expected no control character");
                }
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    self.at += 1;
                    return Ok(value);
                }
                _ => value.push(c),
            }
        }
        self.at = self.line.len();
        self.wants("expected a closing quote")
    }

    fn end_of_member(&mut self) -> Result<(), Malformed> {
        self.skip(|c| matches!(c, ' ' | '\t'));
        if self.rest().is_empty() || self.rest().starts_with(',') {
            Ok(())
        } else {
            self.wants("expected a comma")
        }
    }

    fn token(&mut self, why: &'static str) -> Result<&'a str, Malformed> {
        let rest = self.rest();
        let token = &rest[..rest.find(|c| !is_token(c)).unwrap_or(rest.len())];
        if token.is_empty() {
            return self.wants(why);
        }
        self.at += token.len();
        Ok(token)
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !skipped(c)).unwrap_or(rest.len());
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn wants<T>(&self, why: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, why })
    }
}

/// RFC 9110 §5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests;
