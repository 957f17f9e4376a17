//! Reads the metrics of a running implementation. It does not interpret them.

use std::time::Duration;

use crate::implementations::RunningImplementation;

/// How long the metrics endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The text of the metrics; `None` if there are none or they could not be read.
pub(super) async fn read(running: Option<&RunningImplementation>) -> Option<String> {
    let url = running?.metrics_url()?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .ok()?;
    let response = client.get(url).send().await.ok()?.error_for_status().ok()?;
    response.text().await.ok()
}
