//! Puts a peer onto this machine from its lock file, by the package manager that its users use.
//!
//! Installed once for each state of what it is installed from, into Cargo's folder for what tests make, and found there by every later
//! run. What is installed is the peers' own to say.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

/// How a peer is installed.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// What is laid into the folder first: names and contents.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Commands, one after the other, in the folder; a program with a slash in its name is one of the folder.
    pub(crate) steps: &'static [&'static [&'static str]],
    /// What to say where the first of the programs is not there.
    pub(crate) missing: &'static str,
}

impl Recipe {
    /// The folder that it is installed in. Whoever comes first installs; everybody else, in this process or another, waits.
    pub(crate) fn installed(&self) -> PathBuf {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let name = format!("{}-{}", self.name, self.digest());
        let folder = cache.join(&name);
        fs::create_dir_all(&cache).unwrap();
        let lock = File::create(cache.join(format!("{}.lock", self.name))).unwrap();
        lock.lock().unwrap();
        if !folder.exists() {
            // Whole or not there at all: an install that breaks off leaves only this folder, and the next one begins by removing it.
            let unfinished = cache.join(format!("{name}.unfinished"));
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished).unwrap();
            }
            fs::create_dir(&unfinished).unwrap();
            for (name, text) in self.files {
                fs::write(unfinished.join(name), text).unwrap();
            }
            for step in self.steps {
                self.take(step, &unfinished);
            }
            fs::rename(&unfinished, &folder).unwrap();
        }
        // Not left to the file's end: a child that is being started elsewhere may hold it open for a moment longer.
        lock.unlock().unwrap();
        folder
    }

    fn take(&self, step: &[&str], folder: &Path) {
        let program = if step[0].contains('/') {
            folder.join(step[0])
        } else {
            PathBuf::from(step[0])
        };
        match Command::new(program).args(&step[1..]).current_dir(folder).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!(
                "`{}` could not install {}:\n{}",
                step.join(" "),
                self.name,
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => panic!("{}", self.missing),
            Err(error) => panic!("`{}` cannot be run: {error}", step[0]),
        }
    }

    /// Of everything that decides what is installed.
    fn digest(&self) -> String {
        let said = format!("{:?}{:?}", self.files, self.steps);
        Sha256::digest(said).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
