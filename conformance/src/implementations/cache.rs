//! The folders below which implementations are installed and run.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

/// How long the folder of a run is kept, so that the path of a log in an error stays valid.
const RUN_FOLDER_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// The folder for installs and runs; `None` if no environment variable determines one.
///
/// It is `PREFLIGHT_CACHE`, else `preflight-conformance` in the user's cache folder.
#[must_use]
pub fn cache_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(cache) = path("PREFLIGHT_CACHE") {
        return Some(cache);
    }
    let user_caches = path("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| path("HOME").map(|home| home.join(".cache")))?;
    Some(user_caches.join("preflight-conformance"))
}

/// Creates a folder for one run and removes the folders of runs that are older than a week.
pub(super) fn new_run_folder(cache: &Path, name: &str) -> Result<PathBuf, (PathBuf, io::Error)> {
    let parent = cache.join("runs").join(name);
    let now = SystemTime::now();
    remove_old_folders(&parent, now);
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run = parent.join(format!("{}-{}", since_epoch.as_nanos(), process::id()));
    match fs::create_dir_all(&run) {
        Ok(()) => Ok(run),
        Err(error) => Err((run, error)),
    }
}

fn remove_old_folders(parent: &Path, now: SystemTime) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(now);
        if now.duration_since(modified).is_ok_and(|age| age > RUN_FOLDER_LIFETIME) {
            // A folder that cannot be removed now is tried again by the next run.
            let _removed = fs::remove_dir_all(entry.path());
        }
    }
}

/// The last 20 lines of a log, for an error message.
pub(super) fn log_tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..]
        .iter()
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &'static [(&str, &str)]) -> Option<PathBuf> {
        cache_folder(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_determines_the_cache_folder() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(with(&[("PREFLIGHT_CACHE", "/own"), ("HOME", "/home/me")]), path("/own"));
        assert_eq!(
            with(&[("XDG_CACHE_HOME", "/caches"), ("HOME", "/home/me")]),
            path("/caches/preflight-conformance")
        );
        assert_eq!(
            with(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/me")]),
            path("/home/me/.cache/preflight-conformance")
        );
        assert_eq!(with(&[("PREFLIGHT_CACHE", ""), ("HOME", "")]), None);
    }
}
