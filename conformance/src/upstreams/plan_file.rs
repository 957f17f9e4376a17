//! The plan file: everything that is needed to start the same mock upstreams again, so that the
//! configuration of a gateway stays valid.
//!
//! The file also contains the deployment, for programs that configure a gateway. It follows from
//! the random seed and the addresses, and a file in which it does not is rejected.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Addresses, Listener, MockUpstreams, addresses::bind_error};
use crate::cases::deployment::Deployment;

/// The format that this version reads and writes.
const FORMAT: u32 = 1;

/// The content of a plan file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    format: u32,
    /// The random seed that determines the secrets of the deployment.
    pub random_seed: u64,
    /// The host in the URLs of the deployment.
    pub host: String,
    /// The listeners of the mock upstreams.
    pub listeners: Vec<Listener>,
    /// The address of the control connection of the `upstreams` process.
    pub control: SocketAddr,
    /// The servers and secrets with which a gateway is configured.
    pub deployment: Deployment,
}

/// Only the version, which is read first.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Why a plan file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file is not a plan file.
    #[error(
        "{}: {error}\nexpected a plan file; `preflight-conformance upstreams --plan FILE` \
         writes one",
        path.display()
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: serde_json::Error,
    },
    /// Another version of the suite wrote the file.
    #[error(
        "{}: unknown format {found}\nexpected format {FORMAT}; write a new plan file, and \
         configure the gateway again",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
    },
    /// The content does not belong together.
    #[error(
        "the deployment of the plan file does not follow from its random seed and its addresses\n\
         the file was edited, or another version of the suite wrote it; write a new plan file, and \
         configure the gateway again"
    )]
    Inconsistent,
    /// A port could not be bound.
    #[error("the mock upstreams did not start: {0}")]
    Bind(#[from] io::Error),
}

impl PlanFile {
    /// The plan of running mock upstreams with this control address.
    #[must_use]
    pub fn new(random_seed: u64, upstreams: &MockUpstreams, control: SocketAddr) -> Self {
        Self {
            format: FORMAT,
            random_seed,
            host: upstreams.addresses.host.clone(),
            listeners: upstreams.listeners.clone(),
            control,
            deployment: upstreams.deployment().clone(),
        }
    }

    /// Reads a plan file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a plan file, or has another format.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let file_error = |error| PlanError::File { path: path.to_owned(), error };
        let syntax_error = |error| PlanError::Syntax { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(file_error)?;
        let Format { format } = serde_json::from_str(&text).map_err(syntax_error)?;
        if format != FORMAT {
            return Err(PlanError::Format { path: path.to_owned(), found: format });
        }
        serde_json::from_str(&text).map_err(syntax_error)
    }

    /// Writes a new plan file.
    ///
    /// # Errors
    ///
    /// The file exists, or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), PlanError> {
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            fs::File::create_new(path)?.write_all(&text)
        };
        write().map_err(|error| PlanError::File { path: path.to_owned(), error })
    }

    /// Starts the mock upstreams of the plan.
    ///
    /// # Errors
    ///
    /// A port could not be bound, or the deployment does not follow from the other values.
    pub async fn start(&self) -> Result<MockUpstreams, PlanError> {
        let addresses = Addresses::of_listeners(&self.host, &self.listeners);
        let upstreams = MockUpstreams::start_at(self.random_seed, addresses).await?;
        if *upstreams.deployment() == self.deployment {
            Ok(upstreams)
        } else {
            upstreams.stop().await;
            Err(PlanError::Inconsistent)
        }
    }

    /// Binds the control connection.
    ///
    /// # Errors
    ///
    /// The port could not be bound; the error names it.
    pub async fn bind_control(&self) -> Result<tokio::net::TcpListener, PlanError> {
        let bound = tokio::net::TcpListener::bind(self.control).await;
        Ok(bound.map_err(|error| bind_error(self.control, "control", &error))?)
    }

    /// Whether the mock upstreams can be reached from other hosts.
    #[must_use]
    pub fn is_reachable_from_network(&self) -> bool {
        self.listeners.iter().any(|listener| !listener.address.ip().is_loopback())
    }

    /// A text that two processes with the same plan have in common. It discloses no secret.
    pub(super) fn fingerprint(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn plan() -> PlanFile {
        let upstreams = MockUpstreams::start(4).await.unwrap();
        let control = upstreams.bind_control().await.unwrap().local_addr().unwrap();
        let plan = PlanFile::new(4, &upstreams, control);
        upstreams.stop().await;
        plan
    }

    #[tokio::test]
    async fn a_plan_starts_the_same_mock_upstreams_again() {
        let plan = plan().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        plan.write_new(&path).unwrap();
        let read = PlanFile::read(&path).unwrap();
        assert_eq!(read, plan);
        let upstreams = read.start().await.unwrap();
        assert_eq!(PlanFile::new(4, &upstreams, plan.control), plan);
        assert!(matches!(plan.write_new(&path), Err(PlanError::File { .. })), "the file exists");
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let plan = plan().await;
        let gamma = plan.listeners.iter().find(|listener| listener.name == "gamma").unwrap();
        let _other = std::net::TcpListener::bind(gamma.address).unwrap();
        let error = plan.start().await.unwrap_err().to_string();
        let expected = format!("port {} for `gamma` is in use", gamma.address.port());
        assert!(error.contains(&expected), "{error}");
    }

    #[tokio::test]
    async fn an_edited_plan_is_rejected() {
        let mut plan = plan().await;
        plan.deployment.full_key.push('x');
        assert!(matches!(plan.start().await, Err(PlanError::Inconsistent)));
        plan.listeners.retain(|listener| listener.name != "gamma");
        let error = plan.start().await.unwrap_err().to_string();
        assert!(error.contains("the plan file has no listener for `gamma`"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_plan_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        for (text, expected) in [
            ("", "expected a plan file"),
            ("{}", "missing field `format`"),
            ("{\"format\": 1}", "missing field"),
            ("{\"format\": 2}", "unknown format 2"),
        ] {
            fs::write(&path, text).unwrap();
            let error = PlanFile::read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
