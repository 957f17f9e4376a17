//! Real files and the published schemas: run files, and what `new-implementation` writes.

use mcp_preflight_conformance::cli::schemas::Published;

use crate::{exit_code, output_of, read, stdout, test_folder, test_path, write_file};

fn violations(published: Published, document: &serde_json::Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&published.schema()).expect("the schema is valid");
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn every_line_of_a_run_file_matches_the_schema() {
    let path = test_path("schema", "run.jsonl");
    let run = ["run", "--output", &path, "--profile", "seed", "--strategy", "probe"];
    assert_eq!(exit_code(&[&run[..], &["--where", "method=tools-call"]].concat()), 0);
    let only_matrix_cases = read(&path);
    assert_eq!(
        exit_code(
            &[&run[..], &["--only", "expected-refusals-are-quiet", "--only", "a-challenge-*"]]
                .concat()
        ),
        0
    );
    let lines: Vec<String> = [only_matrix_cases, read(&path)]
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect();
    for kind in ["header", "setup", "matrix-case", "scenario", "footer"] {
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("{{\"line\":\"{kind}\""))),
            "no line of type {kind}"
        );
    }
    let validator =
        jsonschema::validator_for(&Published::RunFile.schema()).expect("the schema is valid");
    for line in &lines {
        let document = serde_json::from_str(line).expect("every line is JSON");
        assert!(
            validator.is_valid(&document),
            "conformance/schemas/run-file.schema.json rejects this line: {}",
            &line[..line.len().min(400)]
        );
    }
    let with_unknown_key = serde_json::json!({
        "line": "footer",
        "matrix-cases": 1,
        "scenarios": 0,
        "damages": 0,
        "interrupted": false,
        "unknown": 1,
    });
    assert!(!violations(Published::RunFile, &with_unknown_key).is_empty());
}

#[test]
fn what_new_implementation_writes_matches_the_schemas() {
    let target = test_folder("schema").join("fresh");
    let _ = std::fs::remove_dir_all(&target);
    let target = target.display().to_string();
    assert_eq!(
        exit_code(&[
            "new-implementation",
            "fresh",
            "--kind",
            "relay",
            "--folder",
            &target,
            "--feature",
            "discovery"
        ]),
        0
    );
    let document =
        |name: &str| toml::from_str(&read(&format!("{target}/{name}"))).expect("the file is TOML");
    assert_eq!(
        violations(Published::Implementation, &document("implementation.toml")),
        Vec::<String>::new()
    );
    assert_eq!(
        violations(Published::Baseline, &document("baseline.toml")),
        Vec::<String>::new()
    );
    for name in ["implementation", "baseline", "run-file"] {
        let schema = stdout(&output_of(&["schema", name]));
        assert!(
            jsonschema::meta::is_valid(&serde_json::from_str(&schema).expect("the schema is JSON")),
            "{name}"
        );
        write_file("schema", &format!("{name}.schema.json"), &schema);
    }
}
