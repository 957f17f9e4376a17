//! Data files that are compiled into this program.

use std::sync::LazyLock;

/// A data file that is read at its first use.
pub(crate) struct Embedded<T>(LazyLock<Result<T, String>>);

impl<T> Embedded<T> {
    /// The file that this function reads. Its error names the file and the mistake.
    pub(crate) const fn new(read: fn() -> Result<T, String>) -> Self {
        Self(LazyLock::new(read))
    }

    /// The content of the file.
    ///
    /// # Panics
    ///
    /// The file has a mistake. Each use reports it, so that every test that fails because of it
    /// names the mistake.
    pub(crate) fn get(&self) -> &T {
        match &*self.0 {
            Ok(data) => data,
            Err(mistake) => panic!("{mistake}"),
        }
    }
}
