//! Installs a package from its lock file, with the package manager of its ecosystem.
//!
//! Packages are installed into Cargo's folder for files of tests, once for each content of the lock
//! file, and are reused by later runs.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

/// How a package is installed.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// Names and contents of the files that are written into the folder first.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Commands that run in the folder, in this order. A program whose name contains a slash is
    /// taken from the folder.
    pub(crate) steps: &'static [&'static [&'static str]],
    /// The error if a program is not on the PATH.
    pub(crate) missing: &'static str,
}

impl Package {
    /// The folder with the installed package. The first caller installs it; concurrent callers,
    /// in this process or another, wait.
    pub(crate) fn installed(&self) -> PathBuf {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let name = format!("{}-{}", self.name, self.digest());
        let folder = cache.join(&name);
        fs::create_dir_all(&cache).unwrap();
        let lock = File::create(cache.join(format!("{}.lock", self.name))).unwrap();
        lock.lock().unwrap();
        if !folder.exists() {
            // The folder is renamed when the installation is complete. An aborted installation
            // leaves the unfinished folder, which the next installation removes.
            let unfinished = cache.join(format!("{name}.unfinished"));
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished).unwrap();
            }
            fs::create_dir(&unfinished).unwrap();
            for (name, text) in self.files {
                fs::write(unfinished.join(name), text).unwrap();
            }
            for step in self.steps {
                self.run(step, &unfinished);
            }
            fs::rename(&unfinished, &folder).unwrap();
        }
        // Closing the file might not release the lock at once: a child process that another thread
        // is starting can hold the file open for a moment.
        lock.unlock().unwrap();
        folder
    }

    fn run(&self, step: &[&str], folder: &Path) {
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

    /// A digest of everything that determines what is installed.
    fn digest(&self) -> String {
        let inputs = format!("{:?}{:?}", self.files, self.steps);
        Sha256::digest(inputs)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
