//! The implementations that the suite judges: finds, installs, configures, starts and stops them.
//!
//! An implementation is one of the built-in gateways, a gateway that a folder describes, or a
//! gateway at a URL. What an implementation does when it is judged is not known here.
//! `implementations/README.md` documents the folder.
//!
//! | module | contents |
//! | --- | --- |
//! | `implementation` | [`Implementation`]: found but not started |
//! | `resolve` | [`Implementation::resolve`], which finds an implementation by its name |
//! | `running` | [`RunningImplementation`]: started and ready |
//! | `error` | why an implementation was not found or did not start |
//! | [`builtin`] | the reference gateway, in this process |
//! | `description` | [`Description`]: the content of `implementation.toml` |
//! | [`fragment`] | ready configurations of well-known gateways |
//! | [`preset`] | [`Preset`](preset::Preset): what the kind of a gateway says about it |
//! | `find` | finds a description by its name or its path |
//! | `folder` | the files of a described implementation |
//! | `install` | installs a described implementation into the cache |
//! | `launch` | renders the files of a described implementation and starts its process |
//! | `process_group` | a process and its children, which end together |
//! | `cache` | the folders of installs and runs |
//! | `template` | renders templates |
//! | `located` | an error with its position in a file |
//! | [`scaffold`] | writes the folder of a new description |

pub mod builtin;
mod cache;
mod description;
mod error;
mod find;
mod folder;
pub mod fragment;
mod implementation;
mod install;
mod launch;
mod located;
pub mod preset;
mod process_end;
mod process_group;
mod resolve;
mod running;
pub mod scaffold;
mod template;
#[cfg(test)]
mod tests;

pub use self::{
    cache::cache_folder,
    description::{
        AggregateEndpoints, Audit, CredentialLayout, Deadlines, Description, Install,
        ReadinessCheck, ServerNames, StartCommand, StopPolicy, Surfaces, TemplateFile,
    },
    error::{ImplementationError, StartError},
    find::DescriptionError,
    folder::names,
    implementation::{DEFAULT, Implementation},
    install::InstallError,
    launch::RunningProcess,
    located::Located,
    process_group::interrupted,
    resolve::UrlDescription,
    running::RunningImplementation,
    template::TemplateError,
};
