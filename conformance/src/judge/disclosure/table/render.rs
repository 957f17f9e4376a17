//! Renders the table for people: as a whole, and the rows that cite a requirement.

use std::{cmp::Reverse, fmt::Write as _};

use indexmap::IndexMap;

use super::{Location, SecretClass, Table, parse::Row};

impl Row {
    /// The parts in which the secrets of the row are allowed, or `never`.
    fn allowed_parts(&self) -> String {
        if self.parts.is_empty() {
            "never".to_owned()
        } else {
            self.parts.join(", ")
        }
    }

    fn cites(&self, requirement: &str) -> bool {
        self.requires
            .iter()
            .chain(self.otherwise.values().flatten())
            .any(|cited| cited == requirement)
    }
}

impl Table {
    /// Every row that cites a requirement, as one line.
    pub fn citing<'a>(&'a self, requirement: &'a str) -> impl Iterator<Item = String> + 'a {
        let line = |row: &Row| {
            let only = if row.parts.is_empty() { "" } else { "only in " };
            format!(
                "{} in {}: {only}{}",
                row.secrets.join(", "),
                row.locations.join(", "),
                row.allowed_parts()
            )
        };
        self.rows.iter().filter(move |row| row.cites(requirement)).map(line)
    }

    /// The whole table: the secrets at each location, then the description of each class of
    /// secrets.
    #[must_use]
    pub fn rendered(&self) -> String {
        let mut text = String::from(
            "Which secrets are allowed at which location, and which requirements other occurrences \
             violate.\n",
        );
        for (location, description) in &self.locations {
            let _ = writeln!(text, "\n{location}: {description}");
            self.render_location(*location, &mut text);
        }
        text.push_str("\nSecrets\n");
        for (class, description) in &self.secrets {
            let _ = writeln!(text, "  {:<20} {description}", class.as_str());
        }
        text
    }

    fn render_location(&self, location: Location, text: &mut String) {
        let mut lines: IndexMap<(String, &[String]), Vec<&str>> = IndexMap::new();
        for class in SecretClass::ALL {
            let row = self.row(location, *class);
            let key = (row.allowed_parts(), &*row.requires);
            lines.entry(key).or_default().push(class.as_str());
        }
        for ((allowed, requires), secrets) in lines {
            let secrets = self.by_group(secrets).join(", ");
            let _ = writeln!(text, "  {allowed:<20} {:<16} {secrets}", requires.join(", "));
        }
    }

    /// Replaces complete groups by their names, the largest groups first.
    fn by_group<'a>(&'a self, mut secrets: Vec<&'a str>) -> Vec<&'a str> {
        let mut groups: Vec<&(String, Vec<SecretClass>)> = self.groups.iter().collect();
        groups.sort_by_key(|(_, classes)| Reverse(classes.len()));
        for (name, classes) in groups {
            let is_member = |secret: &str| classes.iter().any(|class| class.as_str() == secret);
            let is_complete = classes.iter().all(|class| secrets.contains(&class.as_str()));
            let Some(first) = classes.first().filter(|_| is_complete) else {
                continue;
            };
            if let Some(at) = secrets.iter().position(|secret| *secret == first.as_str()) {
                secrets[at] = name;
                secrets.retain(|secret| !is_member(secret));
            }
        }
        secrets
    }
}
