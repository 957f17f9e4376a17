//! Installing: once, completely, and with errors that name the cause.

use std::sync::Mutex;

use super::*;

#[tokio::test]
async fn two_concurrent_starts_install_once() {
    let cache = tempfile::tempdir().unwrap();
    let steps = concat!(
        r#"install = { steps = [["sh", "-c", "echo installed >> ../count"], "#,
        r#"["sh", "-c", "test {{ install }} = $PWD"]] }"#,
    );
    let description = scripted(SERVE, steps);
    let (one, two) =
        tokio::join!(start(&description, cache.path()), start(&description, cache.path()));
    one.unwrap().stop().await;
    two.unwrap().stop().await;
    start(&description, cache.path()).await.unwrap().stop().await;
    assert_eq!(
        std::fs::read_to_string(cache.path().join("installs/count")).unwrap(),
        "installed\n"
    );
}

#[tokio::test]
async fn an_incomplete_install_is_repeated() {
    let cache = tempfile::tempdir().unwrap();
    let steps = concat!(
        r#"install = { steps = "#,
        r#"[["sh", "-c", "test ! -e half && touch half && test -e ../network"]] }"#,
    );
    let description = scripted(SERVE, steps);
    let error = start(&description, cache.path()).await.unwrap_err();
    assert!(matches!(error, StartError::Install { .. }), "{error}");
    std::fs::write(cache.path().join("installs/network"), "").unwrap();
    let progress = Mutex::new(Vec::new());
    let running = launch(&description, &deployment(), START, cache.path(), |line| {
        progress.lock().unwrap().push(line.to_owned());
    })
    .await;
    running.unwrap().stop().await;
    assert_eq!(progress.lock().unwrap()[0], "removing an incomplete install of tiny");
}

#[tokio::test]
async fn a_changed_install_section_causes_a_new_install() {
    let cache = tempfile::tempdir().unwrap();
    for step in ["touch a", "touch b"] {
        let description =
            scripted("exit 1", &format!("install = {{ steps = [[\"sh\", \"-c\", \"{step}\"]] }}"));
        start(&description, cache.path()).await.unwrap_err();
    }
    let installs = std::fs::read_dir(cache.path().join("installs")).unwrap();
    assert_eq!(installs.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 2);
}

#[tokio::test]
async fn install_errors_name_their_cause() {
    let cache = tempfile::tempdir().unwrap();
    let failing = [
        r#"install = { steps = [["sh", "-c", "echo no matching distribution; exit 4"]] }"#,
        r#"install = { steps = [["no-such-python", "-m", "venv"]] }"#,
        r#"install = { steps = [["sleep", "1000"]], within-s = 0 }"#,
        r#"install = { steps = [["{{ port }}"]] }"#,
        r#"install = { files = ["missing.txt"] }"#,
    ];
    let mut all = Vec::new();
    for install in failing {
        let text = stable_text(
            &start(&scripted("", install), cache.path()).await.unwrap_err(),
            cache.path(),
        );
        // The key is a hash of the section.
        let (before, key) = text.split_once("/tiny-").unwrap_or((&text, ""));
        all.push(
            key.get(12..)
                .map_or(before.to_owned(), |rest| format!("{before}/tiny-KEY{rest}")),
        );
    }
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    tiny 1 could not be installed: `sh -c echo no matching distribution; exit 4` failed with exit status: 4
    log: CACHE/installs/tiny-KEY.log
      | $ sh -c echo no matching distribution; exit 4
      | no matching distribution

    tiny 1 could not be installed: cannot run `no-such-python`, which the install needs: No such file or directory (os error 2)
    install `no-such-python` on this machine, or change install.steps

    tiny 1 could not be installed: not installed within 0 s; `sleep 1000` was running
    log: CACHE/installs/tiny-KEY.log

    tiny 1 could not be installed: install.steps:1: `port` is not defined
    expected one of `install`

    tiny 1 could not be installed: install.files names missing.txt, which cannot be read: entity not found
    "#);
}

#[tokio::test]
async fn an_install_can_be_that_of_the_folder_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, version: &str, additional: &str| {
        let text = format!(
            "name = \"{name}\"\nversion = \"{version}\"\nhomepage = \"none\"\nkind = \"relay\"\n\
             routes = [\"/{{server}}\"]\ncredentials = {{ key-header = \"x-key\" }}\n\
             ready = {{ path = \"/\" }}\n\
             start = {{ command = [\"sh\", \"-c\", \"cat {{{{ install }}}}/program; exit 1\"] }}\n\
             install = {{ {additional} }}\n"
        );
        std::fs::create_dir_all(root.path().join(name)).unwrap();
        std::fs::write(root.path().join(name).join("implementation.toml"), text).unwrap();
    };
    write(
        "one",
        "1",
        r#"files = ["implementation.toml"], steps = [["sh", "-c", "echo from one > program"]]"#,
    );
    write("two", "1", r#"same-as = "one""#);
    write("three", "3", r#"same-as = "one""#);
    write("four", "4", r#"same-as = "none""#);
    let mut errors = Vec::new();
    for name in ["two", "three", "four"] {
        let folder = root.path().join(name).display().to_string();
        let description = Description::find(&folder).unwrap();
        let error = start(&description, root.path()).await.unwrap_err();
        errors.push(stable_text(&error, root.path()));
    }
    insta::assert_snapshot!(errors.join("\n\n"), @r#"
    the program ended before it was ready, with exit status: 1
    log: CACHE/runs/two/RUN/output.log
      | from one

    three 3 could not be installed: install.same-as names one 1, expected version 3

    four 4 could not be installed: install.same-as: cannot read CACHE/four/../none/implementation.toml: No such file or directory (os error 2)
    expected a folder with an implementation.toml
    "#);
}
