//! Renders the templates of a description: files, commands and environment variables.
//!
//! Templates are written in the language of minijinja, with the methods that Python's strings,
//! lists and dictionaries have in Jinja2. An unknown name is an error and never an empty string.
//! The caller provides the names.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, filters,
    syntax::SyntaxConfig, value::Kwargs,
};
use minijinja_contrib::pycompat;

/// Why a template could not be rendered, with its name and line.
#[derive(Debug, thiserror::Error)]
#[error("{template}:{line}: {message}")]
pub struct TemplateError {
    template: String,
    line: usize,
    message: String,
}

/// Renders one template. `template` is its name in errors.
pub(super) fn render(template: &str, source: &str, names: &Value) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_debug(true);
    environment.set_unknown_method_callback(pycompat::unknown_method_callback);
    environment.add_filter("tojson", tojson);
    let failed = |error: Error| TemplateError::new(template, source, names, &error);
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

/// The filter `tojson`, which writes an unknown name as `null` in minijinja. Here it is an error.
fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    filters::tojson(value, indent, options)
}

/// Renders every word of a command. `template` is its name in errors.
pub(super) fn render_command(
    template: &str,
    command: &[String],
    names: &Value,
) -> Result<Vec<String>, TemplateError> {
    command.iter().map(|word| render(template, word, names)).collect()
}

impl TemplateError {
    fn new(template: &str, source: &str, names: &Value, error: &Error) -> Self {
        let found = error.range().and_then(|range| source.get(range)).unwrap_or_default();
        let message = if error.kind() == ErrorKind::UndefinedError {
            let name = error.range().and_then(|range| filtered_name(source.get(..range.start)?));
            undefined_name(name.unwrap_or(found), names)
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

/// The name to which a filter is applied, given the source before the name of the filter; `None` if
/// that is not a name.
fn filtered_name(before_filter: &str) -> Option<&str> {
    let value = before_filter.trim_end().strip_suffix('|')?.trim_end();
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let name = &value[value.trim_end_matches(is_part_of_name).len()..];
    (!name.is_empty()).then_some(name)
}

fn undefined_name(found: &str, names: &Value) -> String {
    if found.contains('.') {
        // The names of nested values are not known here.
        return format!("`{found}` is not defined");
    }
    let known: Vec<String> =
        names.try_iter().into_iter().flatten().map(|name| format!("`{name}`")).collect();
    format!("`{found}` is not defined\nexpected one of {}", known.join(", "))
}
