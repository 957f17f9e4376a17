//! Fetches what a running implementation counts. Reads nothing in it.

use std::time::Duration;

use crate::implementations::resolve::Running;

/// How long an endpoint on loopback may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of its metrics; nothing where it has none, or does not hand them out.
pub(super) async fn of(running: Option<&Running>) -> Option<String> {
    let url = running?.metrics()?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .ok()?;
    let answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
    answer.text().await.ok()
}
