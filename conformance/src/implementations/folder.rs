//! Finds the folder of an implementation: one that this binary carries, by its name, or one on disk, by its path.
//!
//! Knows which files there are, and nothing of what they say.

use std::io;
use std::path::{Path, PathBuf};

use super::description::Description;
use super::located::Located;

/// The file that every folder holds.
const FILE: &str = "implementation.toml";

/// Name and text.
type File = (&'static str, &'static str);

/// Lists a folder's files for [`CARRIED`].
macro_rules! folder {
    ($name:literal: $($file:literal),+ $(,)?) => {
        ($name, &[$(($file, include_str!(concat!("../../implementations/", $name, "/", $file)))),+])
    };
}

/// The implementations that work by name, wherever this binary runs.
const CARRIED: &[(&str, &[File])] = &[
    folder!("litellm": "implementation.toml", "config.yaml.jinja", "custom_auth.py.jinja", "requirements.txt", "baseline.toml"),
];

/// The names that [`Description::find`] knows without a path.
pub fn names() -> impl Iterator<Item = &'static str> {
    CARRIED.iter().map(|(name, _)| *name)
}

/// Where a description's other files are.
#[derive(Clone, Debug, Default)]
pub(super) enum Folder {
    /// In this binary.
    Carried(&'static [File]),
    /// On disk.
    Disk(PathBuf),
    /// Nowhere: the description was made from text alone.
    #[default]
    Nowhere,
}

impl Folder {
    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        let carried = |files: &[File]| {
            files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
        };
        match self {
            Self::Carried(files) => carried(files).ok_or_else(|| io::ErrorKind::NotFound.into()),
            Self::Disk(folder) => std::fs::read_to_string(folder.join(name)),
            Self::Nowhere => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Why there is no description.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// Not a name that this binary knows.
    #[error(
        "unknown implementation `{name}`\nexpected one of {known}, or the path of a folder with an {FILE}, for example ./{name}"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that would have done.
        known: String,
    },
    /// The file is not there, or not readable.
    #[error("cannot read {}: {source}\nexpected a folder with an {FILE}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error(transparent)]
    Invalid(#[from] Located),
}

impl Description {
    /// The carried implementation of that name, or the one in that folder. A path holds a `/` or starts with a dot.
    pub fn find(name_or_path: &str) -> Result<Self, DescriptionError> {
        let (folder, file) = if name_or_path.contains('/') || name_or_path.starts_with('.') {
            let folder = Path::new(name_or_path);
            (Folder::Disk(folder.to_owned()), folder.join(FILE))
        } else {
            let carried = CARRIED.iter().find(|(name, _)| *name == name_or_path);
            let (_, files) = carried.ok_or_else(|| DescriptionError::Unknown {
                name: name_or_path.to_owned(),
                known: names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            })?;
            (Folder::Carried(files), Path::new(name_or_path).join(FILE))
        };
        let source = folder
            .read(FILE)
            .map_err(|source| DescriptionError::Unreadable { path: file.clone(), source })?;
        Ok(Self { folder, ..Self::parse(&file.display().to_string(), &source)? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A file added to a folder and forgotten in [`CARRIED`] would work from a checkout and nowhere else.
    #[test]
    fn every_file_of_every_folder_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("implementations");
        let on_disk: BTreeSet<String> = entries(&root)
            .flat_map(|name| entries(&root.join(&name)).map(move |file| format!("{name}/{file}")))
            .filter(|file| !file.ends_with("/README.md"))
            .collect();
        let carried = CARRIED
            .iter()
            .flat_map(|(name, files)| files.iter().map(move |(file, _)| format!("{name}/{file}")))
            .collect();
        assert_eq!(on_disk, carried);
    }

    fn entries(path: &Path) -> impl Iterator<Item = String> + use<> {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
    }

    #[test]
    fn every_carried_description_is_found_under_its_own_name() {
        for name in names() {
            assert_eq!(Description::find(name).unwrap().name, name);
        }
    }

    #[test]
    fn what_is_read_where_nothing_is_found() {
        insta::assert_snapshot!(Description::find("litelm").unwrap_err(), @r#"
        unknown implementation `litelm`
        expected one of `litellm`, or the path of a folder with an implementation.toml, for example ./litelm
        "#);
        insta::assert_snapshot!(Description::find("./no/such/folder").unwrap_err(), @r#"
        cannot read ./no/such/folder/implementation.toml: No such file or directory (os error 2)
        expected a folder with an implementation.toml
        "#);
    }
}
