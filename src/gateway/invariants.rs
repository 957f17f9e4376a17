//! Checks that the gateway leaves statuses, JSON-RPC codes, methods and paths to the core.
//!
//! `AnswerStatus` already makes it impossible to send a status that the core has not chosen, as
//! long as only `response` sets the status of a response. This check reads the source text, because
//! the compiler cannot reject a comparison.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Text that no module of the gateway may contain, and what to use instead.
const FORBIDDEN: [(&str, &str); 7] = [
    ("StatusCode::", "decide about a status in the core"),
    ("from_u16", "decide about a status in the core"),
    (".status() ==", "decide about a status in the core"),
    (".status() !=", "decide about a status in the core"),
    ("status_mut", "build the response in `response`"),
    ("-32", "take the JSON-RPC code from the core"),
    ("path() ==", "decide about a path in the core"),
];

/// Modules that may contain one of the texts.
const EXEMPT: [(&str, &str); 1] = [("response.rs", "status_mut")];

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("invariants.rs")
        {
            files.push(path);
        }
    }
    files
}

#[test]
fn no_module_of_the_gateway_chooses_a_status_or_a_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway");
    let files = source_files(&folder);
    assert!(files.len() > 20, "the modules of the gateway have moved: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (forbidden, instead) in FORBIDDEN {
            let is_exempt =
                EXEMPT.iter().any(|(exempt, text)| file.ends_with(exempt) && *text == forbidden);
            for (number, line) in (1..).zip(text.lines()) {
                assert!(
                    is_exempt || !line.contains(forbidden),
                    "{}:{number}: `{forbidden}`: {instead}",
                    file.display()
                );
            }
        }
    }
}
