//! Where the mock upstreams listen, and which host their URLs name.

use std::{
    collections::BTreeMap,
    io, iter,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    ops::Range,
};

use serde::{Deserialize, Serialize};
use url::Host;

/// Below the ports that Linux, macOS and Windows give to outgoing connections.
const LASTING_PORTS: Range<u16> = 15_000..32_000;
/// More ports than there are listeners.
const PORTS_OF_A_START: u16 = 32;
/// How many ranges are tried.
const ATTEMPTS: usize = 1000;

/// One listener of the mock upstreams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The name of the server, or `elsewhere` or `issuer`.
    pub name: String,
    /// The address that it binds.
    pub address: SocketAddrV4,
}

/// The addresses of all listeners, and the host in their URLs.
#[derive(Clone, Debug)]
pub struct Addresses {
    interface: Ipv4Addr,
    /// The host in every URL: a name or an IPv4 address.
    pub(super) host: String,
    ports: Ports,
}

#[derive(Clone, Debug)]
enum Ports {
    /// Every listener gets a free port.
    Free,
    /// The listeners get consecutive ports from this one on.
    From(u16),
    /// Every listener gets the port of an earlier start.
    Fixed(BTreeMap<String, u16>),
}

/// Why a host cannot be advertised.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a host name or an IPv4 address, for example host.docker.internal")]
pub struct InvalidHost(String);

impl Addresses {
    /// A free port of the loopback interface for every listener.
    #[must_use]
    pub fn free() -> Self {
        Self {
            interface: Ipv4Addr::LOCALHOST,
            host: Ipv4Addr::LOCALHOST.to_string(),
            ports: Ports::Free,
        }
    }

    /// Free ports that are likely to stay free between two starts. The system gives a connection no
    /// port of this range as its own, so another program does not take one by chance.
    #[must_use]
    pub fn lasting() -> Self {
        let starts = iter::repeat_with(|| fastrand::u16(LASTING_PORTS));
        match starts.take(ATTEMPTS).find(|first| are_free(*first)) {
            Some(first) => Self::free().with_ports_from(first),
            None => Self::free(),
        }
    }

    /// The same, with consecutive ports from this one on.
    #[must_use]
    pub fn with_ports_from(self, first: u16) -> Self {
        Self { ports: Ports::From(first), ..self }
    }

    /// The same, with URLs that name this host, and listeners on every interface.
    ///
    /// # Errors
    ///
    /// The text is neither a host name nor an IPv4 address.
    pub fn advertised_as(self, host: &str) -> Result<Self, InvalidHost> {
        match Host::parse(host) {
            Ok(Host::Domain(_) | Host::Ipv4(_)) => Ok(Self {
                interface: Ipv4Addr::UNSPECIFIED,
                host: host.to_owned(),
                ..self
            }),
            Ok(Host::Ipv6(_)) | Err(_) => Err(InvalidHost(host.to_owned())),
        }
    }

    /// The addresses of an earlier start.
    pub(super) fn of_listeners(host: &str, listeners: &[Listener]) -> Self {
        let interface =
            listeners.first().map_or(Ipv4Addr::LOCALHOST, |listener| *listener.address.ip());
        let ports = listeners
            .iter()
            .map(|listener| (listener.name.clone(), listener.address.port()));
        Self {
            interface,
            host: host.to_owned(),
            ports: Ports::Fixed(ports.collect()),
        }
    }

    /// Whether the addresses are those of an earlier start, which a gateway may still know.
    pub(super) fn are_reused(&self) -> bool {
        matches!(self.ports, Ports::Fixed(_))
    }

    /// The address of a listener. `index` is the number of listeners before it.
    pub(super) fn address(&self, name: &str, index: usize) -> io::Result<SocketAddr> {
        let port = match &self.ports {
            Ports::Free => 0,
            Ports::From(first) => u16::try_from(index)
                .ok()
                .and_then(|index| first.checked_add(index))
                .ok_or_else(|| io::Error::other(format!("there is no port for `{name}`")))?,
            Ports::Fixed(ports) => *ports.get(name).ok_or_else(|| {
                io::Error::other(format!("the plan file has no listener for `{name}`"))
            })?,
        };
        Ok((self.interface, port).into())
    }

    /// The address of the control connection, which is always on the loopback interface.
    ///
    /// `listeners` is the number of listeners.
    pub(super) fn control_address(&self, listeners: usize) -> io::Result<SocketAddr> {
        let port = self.address("control", listeners)?.port();
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }
}

/// Whether no program uses a port of the range that begins here.
fn are_free(first: u16) -> bool {
    (first..first + PORTS_OF_A_START)
        .all(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
}

/// The error of a failed bind, with the address and the name of the listener.
pub(super) fn bind_error(address: SocketAddr, name: &str, error: &io::Error) -> io::Error {
    let text = if error.kind() == io::ErrorKind::AddrInUse {
        format!("port {} for `{name}` is in use by another program", address.port())
    } else {
        format!("cannot listen at {address} for `{name}`: {error}")
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_ports_follow_the_first_one() {
        let addresses = Addresses::free().with_ports_from(18_000);
        assert_eq!(addresses.address("gamma", 2).unwrap().to_string(), "127.0.0.1:18002");
        assert_eq!(addresses.control_address(17).unwrap().to_string(), "127.0.0.1:18017");
        assert!(Addresses::free().with_ports_from(65_535).address("beta", 1).is_err());
    }

    #[test]
    fn lasting_ports_are_outside_the_range_of_outgoing_connections() {
        let first = Addresses::lasting().address("alpha", 0).unwrap().port();
        assert!(LASTING_PORTS.contains(&first), "{first}");
    }

    #[test]
    fn an_advertised_host_needs_the_wildcard_address() {
        let addresses = Addresses::free().advertised_as("host.docker.internal").unwrap();
        assert_eq!(addresses.address("alpha", 0).unwrap().to_string(), "0.0.0.0:0");
        assert_eq!(addresses.control_address(0).unwrap().to_string(), "127.0.0.1:0");
        for invalid in ["", "a b", "http://host", "[::1]", "host:80"] {
            assert!(Addresses::free().advertised_as(invalid).is_err(), "{invalid}");
        }
    }
}
