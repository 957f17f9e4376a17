//! Finds a description: by its name in this binary, or by the path of its folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    description::Description,
    folder::{Folder, names},
    located::Located,
};

/// The file that every folder contains.
const DESCRIPTION_FILE: &str = "implementation.toml";

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
            let folder = Folder::embedded(name_or_path).ok_or_else(|| unknown(name_or_path))?;
            (folder, Path::new(name_or_path).join(DESCRIPTION_FILE))
        };
        let source = folder
            .read(DESCRIPTION_FILE)
            .map_err(|source| DescriptionError::Unreadable { path: file.clone(), source })?;
        Ok(Self { folder, ..Self::parse(&file.display().to_string(), &source)? })
    }
}

fn unknown(name: &str) -> DescriptionError {
    DescriptionError::Unknown {
        name: name.to_owned(),
        known: names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
