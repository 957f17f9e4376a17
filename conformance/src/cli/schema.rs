//! `schema`: the published formats, for editors and for programs that read run files.

use super::{Exit, print};
use crate::schema::Published;

/// Prints the schema of a format.
pub(super) fn schema(published: Published) -> Exit {
    print(&format!("{:#}\n", published.schema()));
    Exit::Expected
}
