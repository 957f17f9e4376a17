//! Reads the addresses, URLs and certificates of a configuration. What stands there is not asked whether it answers.

use std::net::SocketAddr;

use http::Uri;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use toml::Spanned;

use super::{error::Fault, example::example};
use crate::core::{
    discovery::{ExternalUrl, is_loopback},
    origin::Origin,
};

pub(super) fn address(text: &Spanned<String>, key: &str) -> Result<SocketAddr, Fault> {
    let expected = || format!("expected an address and a port, for example  {}", example(key));
    text.get_ref()
        .parse()
        .map_err(|_| Fault::at(text.span(), "not an address to listen on", expected()))
}

pub(super) fn external(text: &Spanned<String>) -> Result<ExternalUrl, Fault> {
    let bare = |url: &url::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = url::Url::parse(text.get_ref())
        .ok()
        .filter(|url| bare(url) && url.username().is_empty());
    let url = url.ok_or_else(|| {
        let expected = format!(
            "expected scheme and host without a path, for example  {}",
            example("external_url")
        );
        Fault::at(text.span(), "not a URL that clients could know the gateway by", expected)
    })?;
    Ok(ExternalUrl(url.origin().ascii_serialization()))
}

pub(super) fn origin(text: &Spanned<String>) -> Result<Origin, Fault> {
    let expected = || {
        format!(
            "expected scheme and host without a path, for example  {}",
            example("allowed_origins")
        )
    };
    Origin::parse(text.get_ref()).ok_or_else(|| Fault::at(text.span(), "not an origin", expected()))
}

/// An absolute URL without userinfo; cleartext only on this machine, unless allowed (SEC-07).
pub(super) fn upstream_url(text: &Spanned<String>, allow_cleartext: bool) -> Result<Uri, Fault> {
    let expected = || {
        format!(
            "expected an absolute URL without user name or fragment, for example  {}",
            example("url")
        )
    };
    let bad = || Fault::at(text.span(), "not a URL of a server", expected());
    let url = url::Url::parse(text.get_ref()).map_err(|_| bad())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault { hush: true, ..bad() });
    }
    if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() {
        return Err(bad());
    }
    if !url.has_host() {
        return Err(bad());
    }
    if url.scheme() == "http" && !is_loopback(&url) && !allow_cleartext {
        let expected = "expected https; where the network is trusted, write  allow_cleartext = true  beside it";
        return Err(Fault::at(text.span(), "tokens would travel in cleartext", expected));
    }
    url.as_str().parse().map_err(|_| bad())
}

pub(super) fn issuer(text: &Spanned<String>) -> Result<String, Fault> {
    let usable =
        url::Url::parse(text.get_ref()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let expected =
        || format!("expected an absolute URL, for example  {}", example("authorization_servers"));
    usable
        .then(|| text.get_ref().clone())
        .ok_or_else(|| Fault::at(text.span(), "not the URL of an authorization server", expected()))
}

pub(super) fn certificates(
    paths: &[Spanned<String>],
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let mut trusted = Vec::new();
    for path in paths {
        let fault = || {
            Fault::at(
                path.span(),
                "not a readable PEM file with certificates",
                format!("for example  {}", example("trusted_certificates")),
            )
        };
        let before = trusted.len();
        for certificate in CertificateDer::pem_file_iter(path.get_ref()).map_err(|_| fault())? {
            trusted.push(certificate.map_err(|_| fault())?);
        }
        if trusted.len() == before {
            return Err(fault());
        }
    }
    Ok(trusted)
}
