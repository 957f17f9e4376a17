//! Reads the addresses, URLs and certificates of a configuration. No connection is made to check
//! them.

use std::net::SocketAddr;

use http::Uri;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use toml::Spanned;

use super::{error::Diagnostic, example::expected};
use crate::core::{
    discovery::{ExternalUrl, is_loopback},
    origin::Origin,
};

/// An address to listen on, as the value of this key.
pub(super) fn listen_address(text: &Spanned<String>, key: &str) -> Result<SocketAddr, Diagnostic> {
    text.get_ref().parse().map_err(|_| {
        let expected = expected("an IP address and a port", key);
        Diagnostic::at(text.span(), "not a listen address", expected)
    })
}

/// The gateway's URL: scheme and authority only.
pub(super) fn external_url(text: &Spanned<String>) -> Result<ExternalUrl, Diagnostic> {
    match url::Url::parse(text.get_ref()) {
        Ok(url) if is_bare(&url) => Ok(ExternalUrl(url.origin().ascii_serialization())),
        _ => Err(Diagnostic::at(
            text.span(),
            "not a valid external URL",
            expected("scheme and host without a path", "external_url"),
        )),
    }
}

/// Whether a URL is http or https and has no user name, path, query or fragment.
fn is_bare(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
}

/// An origin whose pages may use the gateway.
pub(super) fn origin(text: &Spanned<String>) -> Result<Origin, Diagnostic> {
    Origin::parse(text.get_ref()).ok_or_else(|| {
        let expected = expected("scheme and host without a path", "allowed_origins");
        Diagnostic::at(text.span(), "not a valid origin", expected)
    })
}

/// An absolute URL of a server, without user name and password. Cleartext is allowed to this
/// machine only, unless the configuration allows it (SEC-07).
pub(super) fn server_url(text: &Spanned<String>, allow_cleartext: bool) -> Result<Uri, Diagnostic> {
    let invalid = || {
        let expected = expected("an absolute URL without user name or fragment", "url");
        Diagnostic::at(text.span(), "not a valid server URL", expected)
    };
    let url = url::Url::parse(text.get_ref()).map_err(|_| invalid())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid().hiding_line());
    }
    if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() || !url.has_host() {
        return Err(invalid());
    }
    if url.scheme() == "http" && !is_loopback(&url) && !allow_cleartext {
        return Err(Diagnostic::at(
            text.span(),
            "tokens would be sent in cleartext",
            "expected an https URL; in a trusted network, add  allow_cleartext = true",
        ));
    }
    url.as_str().parse().map_err(|_| invalid())
}

/// The URL of an authorization server, as the configuration writes it.
pub(super) fn issuer(text: &Spanned<String>) -> Result<String, Diagnostic> {
    match url::Url::parse(text.get_ref()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.get_ref().clone()),
        _ => Err(Diagnostic::at(
            text.span(),
            "not a valid authorization server URL",
            expected("an absolute URL", "authorization_servers"),
        )),
    }
}

/// The certificates of PEM files. Each file must have at least one.
pub(super) fn certificates(
    paths: &[Spanned<String>],
) -> Result<Vec<CertificateDer<'static>>, Diagnostic> {
    let mut trusted = Vec::new();
    for path in paths {
        trusted.extend(read_certificates(path.get_ref()).ok_or_else(|| {
            Diagnostic::at(
                path.span(),
                "not a readable PEM file with certificates",
                expected("the path of a PEM file", "trusted_certificates"),
            )
        })?);
    }
    Ok(trusted)
}

fn read_certificates(path: &str) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}
