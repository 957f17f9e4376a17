//! Observations: the value of one observable in one case.

/// The value of one observable in one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// This value.
    Value(String),
    /// The observable does not apply to the case.
    NotApplicable,
    /// The evidence is missing, for this reason.
    Unknown(&'static str),
}

impl std::fmt::Display for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(value) => f.write_str(value),
            Self::NotApplicable => f.write_str("not-applicable"),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

impl From<&str> for Observation {
    fn from(value: &str) -> Self {
        Self::Value(value.to_owned())
    }
}

impl From<String> for Observation {
    fn from(value: String) -> Self {
        Self::Value(value)
    }
}
