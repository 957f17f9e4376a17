//! The folder of a described implementation: embedded in this binary and found by name, or on disk
//! and found by path.
//!
//! It reads files, and does not interpret their content.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{description::Description, located::Located};

/// The file that every folder contains.
const DESCRIPTION_FILE: &str = "implementation.toml";

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
        "run.py",
        "requirements.txt",
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

    /// The description in the folder with this name beside this folder.
    pub(super) fn neighbour(&self, name: &str) -> Result<Description, DescriptionError> {
        match self {
            Self::Disk(folder) => {
                let path = folder.join("..").join(name);
                Description::find(&path.display().to_string())
            }
            Self::Embedded(_) | Self::None => Description::find(name),
        }
    }
}

/// Why a description was not found or not read.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// There is no embedded description with this name.
    #[error(
        "unknown implementation `{name}`\nexpected one of {known}, or the path of a folder with an \
         {DESCRIPTION_FILE}, for example ./{name}"
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// The known names.
        known: String,
    },
    /// The file is missing or not readable.
    #[error("cannot read {}: {source}\nexpected a folder with an \
        {DESCRIPTION_FILE}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content of the file is invalid.
    #[error(transparent)]
    Invalid(#[from] Located),
}

impl Description {
    /// Finds the embedded description with this name, or the one in the folder with this path.
    ///
    /// An argument that contains `/` or starts with `.` is a path.
    ///
    /// # Errors
    ///
    /// The description does not exist, is not readable, or is invalid.
    pub fn find(name_or_path: &str) -> Result<Self, DescriptionError> {
        let (folder, file) = if name_or_path.contains('/') || name_or_path.starts_with('.') {
            let folder = Path::new(name_or_path);
            (Folder::Disk(folder.to_owned()), folder.join(DESCRIPTION_FILE))
        } else {
            let files = embedded_files(name_or_path)?;
            (Folder::Embedded(files), Path::new(name_or_path).join(DESCRIPTION_FILE))
        };
        let source = folder
            .read(DESCRIPTION_FILE)
            .map_err(|source| DescriptionError::Unreadable { path: file.clone(), source })?;
        Ok(Self { folder, ..Self::parse(&file.display().to_string(), &source)? })
    }
}

fn embedded_files(name: &str) -> Result<&'static [EmbeddedFile], DescriptionError> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, files)| *files)
        .ok_or_else(|| DescriptionError::Unknown {
            name: name.to_owned(),
            known: names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    #[test]
    fn every_embedded_description_is_found_by_its_name() {
        for name in names() {
            assert_eq!(Description::find(name).unwrap().name, name);
        }
    }

    #[test]
    fn errors_name_what_was_expected() {
        let known = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let error = Description::find("litelm").unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(&known, "KNOWN"), @r#"
        unknown implementation `litelm`
        expected one of KNOWN, or the path of a folder with an implementation.toml, for example ./litelm
        "#);
        insta::assert_snapshot!(Description::find("./no/such/folder").unwrap_err(), @r#"
        cannot read ./no/such/folder/implementation.toml: No such file or directory (os error 2)
        expected a folder with an implementation.toml
        "#);
    }
}
