//! Renders the templates of a description: its files, and the words of its commands and variables.
//!
//! The language is minijinja's, strict: a name that is not there is an error, never an empty string. Which names there are is
//! the caller's business.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

/// Why a template did not render.
#[derive(Debug, thiserror::Error)]
#[error("{template}:{line}: {message}")]
pub struct TemplateError {
    template: String,
    line: usize,
    message: String,
}

/// Renders one template; `template` is what errors call it.
pub(super) fn render(template: &str, source: &str, names: &Value) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_debug(true);
    let failed = |error: minijinja::Error| TemplateError::new(template, source, names, &error);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .map_err(failed)?,
    );
    environment.render_named_str(template, source, names.clone()).map_err(failed)
}

/// Renders every word of a command.
pub(super) fn words(
    what: &str,
    command: &[String],
    names: &Value,
) -> Result<Vec<String>, TemplateError> {
    command.iter().map(|word| render(what, word, names)).collect()
}

impl TemplateError {
    fn new(template: &str, source: &str, names: &Value, error: &minijinja::Error) -> Self {
        let found = error.range().and_then(|range| source.get(range)).unwrap_or_default();
        let message = if error.kind() == minijinja::ErrorKind::UndefinedError {
            let known: Vec<String> =
                names.try_iter().into_iter().flatten().map(|name| format!("`{name}`")).collect();
            let expected = if found.contains('.') {
                String::new()
            } else {
                format!("\nexpected one of {}", known.join(", "))
            };
            format!("`{found}` is not defined{expected}")
        } else {
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            if found.is_empty() {
                detail
            } else {
                format!("{detail}, at `{found}`")
            }
        };
        Self {
            template: template.to_owned(),
            line: error.line().unwrap_or(1),
            message,
        }
    }
}
