//! Generates the matrix cases: every combination of the axes except those that `axes.toml` excludes
//! with a reason.
//!
//! It does not know what is expected of a matrix case.

mod axes;
mod enumeration;
mod servers;
#[cfg(test)]
mod tests;

pub(crate) use self::axes::schema;
pub use self::{
    axes::{Axes, AxesError, Axis},
    enumeration::{Excluded, MatrixScope, matrix_cases},
    servers::{behaviours_of, server_of},
};
