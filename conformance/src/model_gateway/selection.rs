//! Determines which servers a request to an aggregate endpoint selects.

use http::HeaderMap;

use super::{
    caller::Caller,
    gateway::Gateway,
    layout::{Layout, placeholder_value},
};
use crate::cases::deployment::ConfiguredServer;

/// The servers that a request selects.
pub(super) enum Selection {
    /// Every server that the caller may use.
    All,
    /// The named servers.
    Named(Vec<String>),
    /// The servers of a toolset, or the named ones of them.
    Toolset(String, Option<Vec<String>>),
}

impl Selection {
    /// The selection by path and narrowing field; `None` if the path is not an aggregate endpoint.
    pub(super) fn of(layout: &Layout, path: &str, headers: &HeaderMap) -> Option<Self> {
        let narrowed = headers
            .get(layout.narrowing_header)
            .map(|value| names(value.to_str().unwrap_or("\u{fffd}")));
        let [all, named, toolset] = layout.aggregate_routes;
        if placeholder_value(all, "{servers}", path).is_some() {
            return Some(narrowed.map_or(Self::All, Self::Named));
        }
        let listed = placeholder_value(named, "{servers}", path);
        if let Some(list) = listed.filter(|list| list.contains(',')) {
            return Some(Self::Named(names(list)));
        }
        placeholder_value(toolset, "{toolset}", path)
            .map(|name| Self::Toolset(name.to_owned(), narrowed))
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

impl Gateway {
    /// The selected servers, in the order of the configuration; `None` if one is unknown or the
    /// caller may not use it, or if none remains.
    pub(super) fn selected_servers(
        &self,
        caller: &Caller,
        selection: &Selection,
    ) -> Option<Vec<ConfiguredServer>> {
        let usable: Vec<ConfiguredServer> = self
            .deployment
            .servers
            .iter()
            .filter(|server| caller.may_use(server) && !server.disabled)
            .cloned()
            .collect();
        let selected = match selection {
            Selection::All => usable,
            Selection::Named(names) => self.named_servers(usable, names)?,
            Selection::Toolset(..) if !self.decisions.applies_toolsets() => usable,
            Selection::Toolset(name, narrowed) => {
                let toolset =
                    self.deployment.toolsets.iter().find(|toolset| toolset.name == *name)?;
                let members: Vec<ConfiguredServer> = usable
                    .into_iter()
                    .filter(|server| toolset.servers.contains(&server.name))
                    .collect();
                match narrowed {
                    Some(names) => self.named_servers(members, names)?,
                    None => members,
                }
            }
        };
        (!selected.is_empty()).then_some(selected)
    }

    fn named_servers(
        &self,
        servers: Vec<ConfiguredServer>,
        names: &[String],
    ) -> Option<Vec<ConfiguredServer>> {
        let is_known = |name: &String| servers.iter().any(|server| server.name == *name);
        if !names.iter().all(is_known) {
            return self.decisions.widens_unknown_selection().then_some(servers);
        }
        let mut selected = Vec::new();
        for server in servers {
            let mut times = names.iter().filter(|name| **name == server.name).count();
            if times > 1 && self.decisions.removes_duplicates() {
                times = 1;
            }
            selected.extend(std::iter::repeat_n(server, times));
        }
        Some(selected)
    }
}
