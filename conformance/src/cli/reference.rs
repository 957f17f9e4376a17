//! Generates `REFERENCE.md`: every key of every data file, from the types that read the files.
//!
//! The text of a key is the doc comment of its field, so that the reference cannot list other keys
//! than the parser accepts.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{
    cases::{behaviour, matrix, placeholder, rule, scenario},
    catalogue,
    implementations::{Description, preset},
    judge::{baseline::Baseline, disclosure::table::Table, observables::Observable},
};

/// The text of `conformance/REFERENCE.md`.
pub(super) fn text() -> String {
    let files = [
        ("`requirements/*.toml`", catalogue::schema()),
        ("`cases/axes.toml`", matrix::schema()),
        ("`cases/rules/*.toml`", rule::schema()),
        ("`cases/scenarios/*.toml`", scenario::schema()),
        ("`upstreams.toml`", behaviour::schema()),
        ("`disclosure.toml`", Table::schema()),
        ("`presets/*.toml`", preset::schema()),
        ("`implementation.toml`", schemars::schema_for!(Description)),
        ("`baseline.toml`", schemars::schema_for!(Baseline)),
    ];
    let mut text = INTRODUCTION.to_owned();
    let mut described = Vec::new();
    for (file, schema) in files {
        let _ = writeln!(text, "\n## {file}");
        text += &file_text(schema.as_value(), &mut described);
    }
    text + &placeholders() + PATTERNS + &observables()
}

const INTRODUCTION: &str = "\
# Reference of the data files

Every key of every data file of the suite. This file is generated from the types that read the data
files; do not edit it. To write it again:

    cargo run -p mcp-preflight-conformance -- list reference > conformance/REFERENCE.md

A type that several files use is described where it occurs first. Templates of implementation
descriptions (`{{ … }}`) are Jinja templates; `implementations/README.md` lists their variables.
";

const PATTERNS: &str = "
## Patterns

Rules, axes, the options `--only` and `--where`, `cases` and `outcome` in `baseline.toml` match \
values with
patterns. `*` matches any text, and every other character of a pattern in a data file of cases
matches itself. In rules and axes a pattern is one value or a list; a value after `!` is excluded.
`--only`, `--where`, and `cases` and `outcome` of a baseline take the same patterns.
";

/// The tables of one file: its top level, and every type below it that is not described yet.
fn file_text(schema: &Value, described: &mut Vec<String>) -> String {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let mut text = String::new();
    text += &type_text(schema);
    let mut waiting = references(schema);
    while !waiting.is_empty() {
        let name = waiting.remove(0);
        if described.contains(&name) {
            continue;
        }
        if let Some(definition) = definitions.and_then(|all| all.get(&name)) {
            let _ = writeln!(text, "\n### {}\n", title(&name));
            if let Some(description) = description(definition) {
                let _ = writeln!(text, "{description}");
            }
            text += &type_text(definition);
            waiting.extend(references(definition));
        }
        described.push(name);
    }
    text
}

/// The names of the types that a type refers to, in order, without those inside `$defs`.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => object
            .iter()
            .filter(|(key, _)| *key != "$defs")
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(reference)) => vec![type_name(reference).to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The keys of a table, or the values of a closed list.
fn type_text(schema: &Value) -> String {
    let mut text = String::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        text += "\n| key | value | |\n| --- | --- | --- |\n";
        for (key, property) in properties {
            let value = value_text(property) + &presence(schema, key, property);
            let text_of_key = description(property).unwrap_or_default();
            let _ = writeln!(text, "| `{key}` | {value} | {text_of_key} |");
        }
    }
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let rows: String = variants.into_iter().flatten().map(variant_rows).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n| value | |\n| --- | --- |\n{rows}");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let _ = writeln!(text, "\nOne of {}.", code_list(values));
    }
    text
}

/// The rows of one alternative of an enum: a value, several values, or a kind with a table of its
/// own.
fn variant_rows(variant: &Value) -> String {
    let meaning = description(variant).unwrap_or_default();
    if let Some(value) = variant.get("const").and_then(Value::as_str) {
        return format!("| `{value}` | {meaning} |\n");
    }
    if let Some(values) = variant.get("enum").and_then(Value::as_array) {
        return format!("| {} | {meaning} |\n", code_list(values));
    }
    let kinds = variant.get("properties").and_then(Value::as_object);
    let row = |(kind, value): (&String, &Value)| {
        format!("| `{{ {kind} = … }}` ({}) | {meaning} |\n", value_text(value))
    };
    kinds.into_iter().flat_map(Map::iter).map(row).collect()
}

/// The type of a value, in words.
fn value_text(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = title(type_name(reference));
        return format!("[{name}](#{})", name.replace(' ', "-"));
    }
    if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
        let texts: Vec<String> = alternatives
            .iter()
            .filter(|schema| schema.get("type").and_then(Value::as_str) != Some("null"))
            .map(value_text)
            .collect();
        return texts.join(" or ");
    }
    match type_word(schema) {
        "array" => match (schema.get("items"), schema.get("prefixItems")) {
            (Some(items), None) => format!("list of {}", value_text(items)),
            _ => "pair of texts".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => {
                format!("table whose values are {}", value_text(values))
            }
            _ => "table".to_owned(),
        },
        "string" => "text".to_owned(),
        "integer" => "number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        other => other.to_owned(),
    }
}

fn type_word(schema: &Value) -> &str {
    let word = match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().filter_map(Value::as_str).find(|word| *word != "null")
        }
        Some(Value::String(word)) => Some(word.as_str()),
        _ => None,
    };
    word.unwrap_or("value")
}

/// Whether a key is required, or what it means to leave it out.
fn presence(schema: &Value, key: &str, property: &Value) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    if required.is_some_and(|required| required.iter().any(|name| name == key)) {
        return ", required".to_owned();
    }
    match property.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(values)) if values.is_empty() => String::new(),
        Some(Value::Object(values)) if values.is_empty() => String::new(),
        Some(default) => format!(", default `{default}`"),
    }
}

fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str)?;
    Some(text.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|"))
}

fn code_list(values: &[Value]) -> String {
    let texts = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
    texts.collect::<Vec<_>>().join(", ")
}

fn type_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// The name of a type, as a title: `RequestStep` is `request step`.
fn title(name: &str) -> String {
    let mut title = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !title.is_empty() {
            title.push(' ');
        }
        title.extend(character.to_lowercase());
    }
    title
}

fn placeholders() -> String {
    let contexts = [
        ("the header values of mock behaviours", placeholder::IN_HEADERS),
        ("the bodies of mock behaviours", placeholder::IN_BODIES),
        ("the paths, header fields and bodies of scenario steps", placeholder::IN_STEPS),
        ("the lines of `raw` steps, beside those of steps", placeholder::IN_RAW_LINES),
        (
            "the replaced header fields of `aggregate` steps",
            placeholder::IN_AGGREGATE_HEADERS,
        ),
    ];
    let mut text = "\n## Placeholders\n".to_owned();
    for (context, names) in contexts {
        let _ = writeln!(text, "\nIn {context}:\n\n| placeholder | value |\n| --- | --- |");
        for (name, value) in names {
            let _ = writeln!(text, "| `{{{name}}}` | {value} |");
        }
    }
    text
}

fn observables() -> String {
    let mut text = "\n## Observables\n\nKeys of `given`, `expect` and `non-strict`, with their \
                    values. In a value, `*` stands for any text.\n\n\
                    | observable | observes | values |\n| --- | --- | --- |\n"
        .to_owned();
    for observable in Observable::all() {
        let values: Vec<String> =
            observable.values.iter().map(|value| format!("`{value}`")).collect();
        let Observable { name, description, .. } = observable;
        let _ = writeln!(text, "| `{name}` | {description} | {} |", values.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/REFERENCE.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == super::text(),
            "conformance/REFERENCE.md is out of date, write it again with  \
             cargo run -p mcp-preflight-conformance -- list reference > conformance/REFERENCE.md"
        );
    }
}
