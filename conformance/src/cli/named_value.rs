//! Parses values of options that are one of several names.

use crate::{
    cases::axis::Strategy,
    catalogue::{GatewayKind, Level, Profile},
};

/// The strategy with this name.
pub(super) fn strategy(name: &str) -> Result<Strategy, String> {
    by_name(Strategy::ALL, name)
}

/// The profile with this name.
pub(super) fn profile(name: &str) -> Result<Profile, String> {
    by_name(Profile::ALL, name)
}

/// The kind of gateway with this name.
pub(super) fn gateway_kind(name: &str) -> Result<GatewayKind, String> {
    by_name(GatewayKind::ALL, name)
}

/// The requirement level with this name, in upper or lower case.
pub(super) fn level(name: &str) -> Result<Level, String> {
    by_name(&Level::ALL, &name.to_ascii_uppercase())
}

/// The value with this name; the error lists all names.
pub(super) fn by_name<T: Copy + ToString>(all: &[T], name: &str) -> Result<T, String> {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let position = names.iter().position(|known| known == name);
    position
        .map(|index| all[index])
        .ok_or_else(|| format!("expected one of {}", names.join(", ")))
}
