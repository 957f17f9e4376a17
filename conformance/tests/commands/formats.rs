//! What is published fits its schema: a real run, and what the commands write.

use mcp_preflight_conformance::cli::schemas::Published;

use crate::{called, code, file, folder, place, read, said};

fn complaints(published: Published, document: &serde_json::Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&published.schema()).expect("it is a schema");
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn every_line_of_a_run_fits_the_schema() {
    let path = place("schema", "run.jsonl");
    let run = ["run", "--output", &path, "--profile", "seed", "--strategy", "probe"];
    assert_eq!(code(&[&run[..], &["--where", "method=tools-call"]].concat()), 0);
    let matrix_cases = read(&path);
    assert_eq!(
        code(
            &[&run[..], &["--only", "expected-refusals-are-quiet", "--only", "a-challenge-*"]]
                .concat()
        ),
        0
    );
    let lines: Vec<String> = [matrix_cases, read(&path)]
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect();
    for kind in ["header", "setup", "matrix-case", "scenario", "footer"] {
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("{{\"line\":\"{kind}\""))),
            "no {kind}"
        );
    }
    let validator =
        jsonschema::validator_for(&Published::RunFile.schema()).expect("it is a schema");
    for line in &lines {
        let document = serde_json::from_str(line).expect("every line is JSON");
        assert!(
            validator.is_valid(&document),
            "conformance/schemas/run-file.schema.json does not know this line: {}",
            &line[..line.len().min(400)]
        );
    }
    let footer = serde_json::json!({ "line": "footer", "matrix-cases": 1, "scenarios": 0, "damages": 0, "interrupted": false, "mood": "good" });
    assert!(!complaints(Published::RunFile, &footer).is_empty());
}

#[test]
fn what_the_commands_write_fits_too() {
    let target = folder("schema").join("fresh");
    let _ = std::fs::remove_dir_all(&target);
    let target = target.display().to_string();
    assert_eq!(
        code(&["new-implementation", "fresh", "--folder", &target, "--feature", "discovery"]),
        0
    );
    let document =
        |name: &str| toml::from_str(&read(&format!("{target}/{name}"))).expect("it is TOML");
    assert_eq!(
        complaints(Published::Implementation, &document("implementation.toml")),
        Vec::<String>::new()
    );
    assert_eq!(
        complaints(Published::Baseline, &document("baseline.toml")),
        Vec::<String>::new()
    );
    for name in ["implementation", "baseline", "run-file"] {
        let schema = said(&called(&["schema", name]));
        assert!(
            jsonschema::meta::is_valid(&serde_json::from_str(&schema).expect("it is JSON")),
            "{name}"
        );
        file("schema", &format!("{name}.schema.json"), &schema);
    }
}
