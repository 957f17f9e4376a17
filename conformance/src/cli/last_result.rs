//! Remembers how the last complete run of a described implementation ended, for `list
//! implementations`.
//!
//! The results are small files in the cache folder. Whether they can be written never changes the
//! exit code of a run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::Exit;
use crate::{
    implementations::{self, Implementation},
    judge::run_file::fingerprint,
};

/// How the last complete run of an implementation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastResult {
    /// The version that was judged.
    version: String,
    /// The exit code of the run.
    exit_code: u8,
    /// The fingerprint of the catalogue and the cases by which the run was judged.
    catalogue: String,
}

impl LastResult {
    /// Remembers the end of a complete run. Does nothing for an implementation that the suite does
    /// not know by name.
    pub(super) fn record(cache: &Path, implementation: &Implementation, exit: Exit) {
        let Implementation { name, version, .. } = implementation;
        if implementations::names().all(|known| known != name) {
            return;
        }
        let result = Self {
            version: version.clone(),
            exit_code: exit.code(),
            catalogue: fingerprint(),
        };
        let file = file(cache, name);
        let Some(folder) = file.parent() else { return };
        if let Ok(text) = serde_json::to_string(&result) {
            let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
        }
    }

    /// The last result of the implementation with this name and version, in words.
    pub(super) fn in_words(cache: &Path, name: &str, version: &str) -> String {
        let file = file(cache, name);
        let last = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let Some(last) = last else {
            return "not run here".to_owned();
        };
        let written = fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
        let age = written
            .and_then(|written| SystemTime::now().duration_since(written).ok())
            .unwrap_or_default();
        let result = match last.exit_code {
            0 => "as expected".to_owned(),
            1 => "unexpected failure".to_owned(),
            5 => "stale baseline".to_owned(),
            code => format!("exit code {code}"),
        };
        let other = if last.version == version {
            String::new()
        } else {
            format!(" (version {})", last.version)
        };
        let rules = match last.catalogue == fingerprint() {
            true => "",
            false => ", by the rules of another build",
        };
        format!("{result}{other}, {}{rules}", age_in_words(age))
    }
}

fn file(cache: &Path, name: &str) -> PathBuf {
    cache.join("results").join(format!("{name}.json"))
}

fn age_in_words(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    let (number, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_is_found_by_name() {
        let cache = tempfile::tempdir().expect("a folder can be created");
        let nginx = Implementation::resolve("nginx", None).expect("it is described");
        let last = |version: &str| LastResult::in_words(cache.path(), "nginx", version);
        assert_eq!(last(&nginx.version), "not run here");
        LastResult::record(cache.path(), &nginx, Exit::StaleBaseline);
        assert_eq!(last(&nginx.version), "stale baseline, just now");
        LastResult::record(cache.path(), &nginx, Exit::Expected);
        let expected = format!("as expected (version {}), just now", nginx.version);
        assert_eq!(last("99"), expected);
    }

    #[test]
    fn a_result_by_other_rules_says_so() {
        let cache = tempfile::tempdir().expect("a folder can be created");
        let nginx = Implementation::resolve("nginx", None).expect("it is described");
        LastResult::record(cache.path(), &nginx, Exit::Expected);
        let file = file(cache.path(), "nginx");
        let text = fs::read_to_string(&file).expect("it was written");
        fs::write(&file, text.replace(&fingerprint(), "0")).expect("it can be written");
        assert_eq!(
            LastResult::in_words(cache.path(), "nginx", &nginx.version),
            "as expected, just now, by the rules of another build"
        );
    }

    #[test]
    fn only_a_known_name_has_a_last_result() {
        let cache = tempfile::tempdir().expect("a folder can be created");
        let model = Implementation::resolve("builtin:model", None).expect("it is built in");
        LastResult::record(cache.path(), &model, Exit::Expected);
        assert!(!cache.path().join("results").exists());
    }

    #[test]
    fn an_age_has_one_unit() {
        let ages = [59, 60, 3_599, 7_200, 86_400 * 2];
        let texts = ages.map(|seconds| age_in_words(Duration::from_secs(seconds)));
        assert_eq!(
            texts,
            ["just now", "1 minute ago", "59 minutes ago", "2 hours ago", "2 days ago"]
        );
    }
}
