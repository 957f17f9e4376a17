//! The positive control: a call that must reach a healthy upstream and return its response.

use super::driver::{Driver, token_for_all_servers};
use crate::{
    cases::{
        axis::{Credentials, Method},
        deployment::names,
    },
    catalogue::ProtocolVersion,
    client::case_request::{Caller, RequestKind},
    trace::Ending,
};

impl Driver {
    /// Sends a healthy `tools/list` and checks that it reached the upstream and was answered.
    ///
    /// A passed control shows that the implementation still works, that earlier requests have been
    /// processed, and that a missing upstream request is a fact and not a failure of the record.
    ///
    /// # Errors
    ///
    /// A sentence that says what happened instead.
    pub(super) async fn positive_control(&self) -> Result<(), String> {
        let case = self.case_numbers.next_case();
        let server = names::FORWARDING[0];
        let request = self.request(
            RequestKind::Mcp(Method::ToolsList),
            ProtocolVersion::default(),
            Caller {
                credentials: Credentials::KeyAndToken,
                token: &token_for_all_servers(&case, "200-json"),
            },
            &self.route.replace("{server}", server),
            &case,
        );
        let exchange = self.client.send(&request).await;
        let arrivals = self.upstreams.record().arrivals(&case.id);
        let has_reached_server = arrivals.iter().any(|arrival| {
            arrival.server == server && arrival.rpc_method.as_deref() == Some("tools/list")
        });
        if exchange.status != Some(200) || exchange.ending != Ending::Complete {
            let status =
                exchange.status.map_or("no status".to_owned(), |status| status.to_string());
            return Err(format!(
                "the positive control got {status}, {}; {server} saw {} of its requests",
                exchange.ending.description(),
                arrivals.len()
            ));
        }
        if !has_reached_server {
            return Err(format!(
                "the positive control got 200, but its tools/list never reached {server}"
            ));
        }
        Ok(())
    }
}
