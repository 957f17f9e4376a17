//! Where a baseline comes from.

use std::{fmt, path::PathBuf};

/// Where a baseline comes from. Reports name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// There is no baseline, so every failure is unexpected.
    #[default]
    None,
    /// The option `--no-baseline` ignores the baseline of the implementation.
    Ignored,
    /// The `baseline.toml` in the description of the implementation with this name.
    Description(String),
    /// This file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Ignored => f.write_str("none, because of --no-baseline"),
            Self::Description(name) => write!(f, "baseline.toml of {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
