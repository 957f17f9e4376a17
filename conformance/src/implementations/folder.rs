//! The folder of a described implementation: embedded in this binary and found by name, or on disk
//! and found by path.
//!
//! It reads files, and does not interpret their content.

use std::{fs, io, path::PathBuf};

/// Name and text of an embedded file.
type EmbeddedFile = (&'static str, &'static str);

/// Lists the files of a folder for [`EMBEDDED`].
macro_rules! folder {
    ($name:literal: $($file:literal),+ $(,)?) => {
        ($name, &[$(($file, include_str!(concat!("../../implementations/", $name, "/", $file)))),+])
    };
}

/// The embedded folders, by the name of the implementation.
const EMBEDDED: &[(&str, &[EmbeddedFile])] = &[
    folder!(
        "envoy": "implementation.toml",
        "envoy.yaml.jinja",
        "run.py",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "envoy-mcp-router": "implementation.toml",
        "envoy.yaml.jinja",
        "baseline.toml",
    ),
    folder!(
        "fastmcp": "implementation.toml",
        "server.py.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!("fastmcp-keys": "implementation.toml", "server.py.jinja", "baseline.toml"),
    folder!("fastmcp-raise": "implementation.toml", "server.py.jinja", "baseline.toml"),
    folder!(
        "litellm": "implementation.toml",
        "config.yaml.jinja",
        "custom_auth.py.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "litellm-1.85.0": "implementation.toml",
        "config.yaml.jinja",
        "custom_auth.py.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "nginx": "implementation.toml",
        "nginx.conf.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "slm-mcp-hub": "implementation.toml",
        "config.json.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "traefik": "implementation.toml",
        "servers.yaml.jinja",
        "traefik.yaml.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
    folder!(
        "trentina": "implementation.toml",
        "profiles.yaml.jinja",
        "requirements.txt",
        "baseline.toml",
    ),
];

/// The names of the embedded descriptions.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

/// Where the files of a description are.
#[derive(Clone, Debug, Default)]
pub(super) enum Folder {
    /// In this binary.
    Embedded(&'static [EmbeddedFile]),
    /// On disk.
    Disk(PathBuf),
    /// There are no files: the description was parsed from a text.
    #[default]
    None,
}

impl Folder {
    /// The embedded folder with this name.
    pub(super) fn embedded(name: &str) -> Option<Self> {
        let (_, files) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
        Some(Self::Embedded(files))
    }

    /// Reads a file of the folder.
    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        match self {
            Self::Embedded(files) => files
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
            Self::Disk(folder) => fs::read_to_string(folder.join(name)),
            Self::None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The name, or the path, of the description in the folder with this name beside this folder.
    pub(super) fn neighbour(&self, name: &str) -> String {
        match self {
            Self::Disk(folder) => folder.join("..").join(name).display().to_string(),
            Self::Embedded(_) | Self::None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    /// A file that is missing in [`EMBEDDED`] would be found in a checkout but not in a released
    /// binary.
    #[test]
    fn every_file_of_every_folder_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("implementations");
        let on_disk: BTreeSet<String> = entries(&root)
            .flat_map(|name| entries(&root.join(&name)).map(move |file| format!("{name}/{file}")))
            .filter(|file| !file.ends_with("/README.md"))
            .collect();
        let embedded = EMBEDDED
            .iter()
            .flat_map(|(name, files)| files.iter().map(move |(file, _)| format!("{name}/{file}")))
            .collect();
        assert_eq!(on_disk, embedded);
    }

    fn entries(path: &Path) -> impl Iterator<Item = String> + use<> {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
    }
}
