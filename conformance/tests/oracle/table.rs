//! Renders the decision table: the accepted observations of the matrix cases, with one line for
//! equal ones.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use mcp_preflight_conformance::{
    cases::{axis::Method, matrix_case::MatrixCase},
    catalogue::{Profile, ProtocolVersion},
};

/// The table. It leaves out strategies and routes, which must not matter, and the default profile
/// and protocol version.
pub(crate) fn render(matrix_cases: &[MatrixCase]) -> String {
    type Lines = BTreeMap<Method, BTreeSet<String>>;
    let mut groups: IndexMap<String, IndexMap<String, Lines>> = IndexMap::new();
    for matrix_case in matrix_cases {
        let mut group = format!("{} / {}", matrix_case.credentials, matrix_case.server);
        if matrix_case.profile != Profile::default() {
            group.push_str(&format!(" / {}", matrix_case.profile));
        }
        if matrix_case.protocol_version != ProtocolVersion::default() {
            group.push_str(&format!(" / {}", matrix_case.protocol_version));
        }
        let upstreams = groups.entry(group).or_default();
        let name = matrix_case.upstream.split('+').next().unwrap_or_default().to_owned();
        upstreams
            .entry(name)
            .or_default()
            .entry(matrix_case.method)
            .or_default()
            .insert(super::expectation(matrix_case));
    }
    let mut text =
        String::from("accepted status         merely not wrong    upstream sees       challenge\n");
    let mut merged: IndexMap<Vec<(String, Lines)>, Vec<String>> = IndexMap::new();
    for (group, upstreams) in groups {
        merged.entry(upstreams.into_iter().collect()).or_default().push(group);
    }
    for (upstreams, groups) in merged {
        let mut alike: IndexMap<Lines, Vec<String>> = IndexMap::new();
        for (upstream, lines) in upstreams {
            alike.entry(lines).or_default().push(upstream);
        }
        text.push('\n');
        for group in groups {
            text.push_str(&format!("== {group} ==\n"));
        }
        for (lines, upstreams) in alike {
            text.push_str(&format!("{}\n", upstreams.join(", ")));
            let mut by_line: IndexMap<BTreeSet<String>, BTreeSet<Method>> = IndexMap::new();
            for (method, line) in lines {
                by_line.entry(line).or_default().insert(method);
            }
            for (line, methods) in by_line {
                assert_eq!(line.len(), 1, "strategies, routes or bodies differ: {line:?}");
                text.push_str(&format!(
                    "    {}\n        {}\n",
                    super::methods(&methods),
                    line.into_iter().next().unwrap_or_default()
                ));
            }
        }
    }
    text
}

/// Statuses as the table names them: `2xx` for all successes.
pub(crate) fn statuses(all: &[&str]) -> String {
    let successes = all.iter().filter(|status| status.starts_with('2')).count();
    let others: Vec<&str> = all
        .iter()
        .copied()
        .filter(|status| !(successes == 4 && status.starts_with('2')))
        .collect();
    let mut words = if successes == 4 { vec!["2xx"] } else { Vec::new() };
    words.extend(others);
    words.join(" ")
}
