//! The implementations that this binary carries, so that a name works wherever it runs.
//!
//! Says nothing about them; each folder of `implementations/` does that itself.

/// Name, and the text of each file of the folder but its README.
type Entry = (&'static str, &'static [(&'static str, &'static str)]);

/// Lists a folder's files for [`ALL`].
macro_rules! folder {
    ($name:literal: $($file:literal),+ $(,)?) => {
        ($name, &[$(($file, include_str!(concat!("../../implementations/", $name, "/", $file)))),+])
    };
}

const ALL: &[Entry] =
    &[folder!("litellm": "implementation.toml", "config.yaml.jinja", "custom_auth.py.jinja", "requirements.txt", "baseline.toml")];

/// The names, in the order of the documentation.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The files of the implementation of that name.
pub(super) fn files(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, files)| *files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// A file added to a folder and forgotten here would work from a checkout and nowhere else.
    #[test]
    fn every_file_of_every_folder_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("implementations");
        let on_disk: BTreeSet<String> = folders(&root)
            .flat_map(|name| folders(&root.join(&name)).map(move |file| format!("{name}/{file}")))
            .filter(|file| !file.ends_with("/README.md"))
            .collect();
        let carried = super::ALL.iter().flat_map(|(name, files)| files.iter().map(move |(file, _)| format!("{name}/{file}"))).collect();
        assert_eq!(on_disk, carried);
    }

    fn folders(path: &Path) -> impl Iterator<Item = String> + use<> {
        std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap())
    }
}
