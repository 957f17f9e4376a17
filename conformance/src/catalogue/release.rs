//! The requirements of each release, which a later change of the catalogue must not alter.
//!
//! A release file has one line for each requirement. It is written when its version is released
//! (`RELEASING.md`) and is never changed afterwards.

use super::{Catalogue, Profile, ProtocolVersion, Requirement};

/// Each released version with the text of its release file.
pub const RELEASES: &[(&str, &str)] = &[("0.1.0", include_str!("../../releases/0.1.0.txt"))];

/// The text of a release file for the catalogue of this build.
#[must_use]
pub fn text() -> String {
    Catalogue::embedded()
        .iter()
        .map(|requirement| line(requirement) + "\n")
        .collect()
}

/// The line of a release file for one requirement: id, level, strength, profile, first and last
/// protocol version; `-` stands for no limit.
pub(super) fn line(requirement: &Requirement) -> String {
    let Requirement { id, level, strength, profile, since, until, .. } = requirement;
    let version = |version: &Option<ProtocolVersion>| version.map_or("-", ProtocolVersion::as_str);
    let profile = profile.map_or("-", Profile::as_str);
    let level = level.as_str().replace(' ', "-");
    format!("{id} {level} {strength:?} {profile} {} {}", version(since), version(until))
}
