//! The ways people write the command, and what rendering makes of each.

use super::{AlembicCommand, Direction, Flavor, Task};

fn words(line: &str) -> Vec<String> {
    shell_words::split(line).expect("a command line")
}

fn rendered(line: &str) -> Option<String> {
    let invocation = AlembicCommand::recognize(&words(line))?.render("aa11", "TO")?;
    Some(std::iter::once(invocation.program).chain(invocation.args).collect::<Vec<_>>().join(" "))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_way_to_write_it_is_rendered_in_its_own_way() {
    for (line, expected) in [
        ("alembic upgrade head", "alembic upgrade --sql aa11:TO"),
        ("/srv/venv/bin/alembic upgrade head", "/srv/venv/bin/alembic upgrade --sql aa11:TO"),
        ("./alembic upgrade heads", "./alembic upgrade --sql aa11:TO"),
        ("alembic.exe upgrade head", "alembic.exe upgrade --sql aa11:TO"),
        ("alembic -c x.ini upgrade head", "alembic -c x.ini upgrade --sql aa11:TO"),
        ("alembic -cx.ini upgrade head", "alembic -cx.ini upgrade --sql aa11:TO"),
        ("alembic --config x.ini upgrade head", "alembic --config x.ini upgrade --sql aa11:TO"),
        ("alembic --config=x.ini upgrade head", "alembic --config=x.ini upgrade --sql aa11:TO"),
        ("alembic --conf x.ini upgrade head", "alembic --conf x.ini upgrade --sql aa11:TO"),
        (
            "alembic -n prod -x a=b -q upgrade head",
            "alembic -n prod -x a=b -q upgrade --sql aa11:TO",
        ),
        ("alembic --raiseerr upgrade +1", "alembic --raiseerr upgrade --sql aa11:TO"),
        ("alembic upgrade ae10+2", "alembic upgrade --sql aa11:TO"),
        ("alembic upgrade one@head", "alembic upgrade --sql aa11:TO"),
        ("alembic upgrade head --tag v1", "alembic upgrade --tag v1 --sql aa11:TO"),
        ("alembic upgrade --tag=v1 head", "alembic upgrade --tag=v1 --sql aa11:TO"),
        ("alembic downgrade -1", "alembic downgrade --sql aa11:TO"),
        ("alembic downgrade -- -1", "alembic downgrade --sql aa11:TO"),
        ("alembic downgrade base", "alembic downgrade --sql aa11:TO"),
        ("python -m alembic upgrade head", "python -m alembic upgrade --sql aa11:TO"),
        ("python3 -malembic upgrade head", "python3 -malembic upgrade --sql aa11:TO"),
        ("python3.11 -m alembic upgrade head", "python3.11 -m alembic upgrade --sql aa11:TO"),
        (
            "/v/bin/python -u -m alembic upgrade head",
            "/v/bin/python -u -m alembic upgrade --sql aa11:TO",
        ),
        ("python -um alembic upgrade head", "python -um alembic upgrade --sql aa11:TO"),
        (
            "python -W ignore -m alembic.config upgrade head",
            "python -W ignore -m alembic.config upgrade --sql aa11:TO",
        ),
        (
            "python -X dev -Wignore -m alembic upgrade head",
            "python -X dev -Wignore -m alembic upgrade --sql aa11:TO",
        ),
        ("poetry run alembic upgrade head", "poetry run alembic upgrade --sql aa11:TO"),
        (
            "poetry -C api run alembic upgrade head",
            "poetry -C api run alembic upgrade --sql aa11:TO",
        ),
        ("uv run alembic upgrade head", "uv run alembic upgrade --sql aa11:TO"),
        (
            "uv run --frozen --with psycopg2 -- alembic upgrade head",
            "uv run --frozen --with psycopg2 -- alembic upgrade --sql aa11:TO",
        ),
        (
            "uv --directory api run python -m alembic upgrade head",
            "uv --directory api run python -m alembic upgrade --sql aa11:TO",
        ),
        ("uv run -m alembic upgrade head", "uv run -m alembic upgrade --sql aa11:TO"),
        ("uvx alembic upgrade head", "uvx alembic upgrade --sql aa11:TO"),
        (
            "uvx --with psycopg2 alembic@1.13 upgrade head",
            "uvx --with psycopg2 alembic@1.13 upgrade --sql aa11:TO",
        ),
        (
            "uv tool run --from alembic alembic upgrade head",
            "uv tool run --from alembic alembic upgrade --sql aa11:TO",
        ),
        ("pipenv run alembic upgrade head", "pipenv run alembic upgrade --sql aa11:TO"),
        ("pdm run -p api alembic upgrade head", "pdm run -p api alembic upgrade --sql aa11:TO"),
        ("hatch run alembic upgrade head", "hatch run alembic upgrade --sql aa11:TO"),
        ("hatch run test:alembic upgrade head", "hatch run test:alembic upgrade --sql aa11:TO"),
        (
            "hatch -e test run alembic upgrade head",
            "hatch -e test run alembic upgrade --sql aa11:TO",
        ),
        ("rye run alembic upgrade head", "rye run alembic upgrade --sql aa11:TO"),
        ("pipx run alembic upgrade head", "pipx run alembic upgrade --sql aa11:TO"),
        ("conda run -n api alembic upgrade head", "conda run -n api alembic upgrade --sql aa11:TO"),
        ("env X=y Z=1 alembic upgrade head", "env X=y Z=1 alembic upgrade --sql aa11:TO"),
        ("env -u PGHOST alembic upgrade head", "env -u PGHOST alembic upgrade --sql aa11:TO"),
        ("nice -n 10 alembic upgrade head", "nice -n 10 alembic upgrade --sql aa11:TO"),
        ("nice alembic upgrade head", "nice alembic upgrade --sql aa11:TO"),
        ("timeout -k 5 60 alembic upgrade head", "timeout -k 5 60 alembic upgrade --sql aa11:TO"),
        ("sudo -u app alembic upgrade head", "sudo -u app alembic upgrade --sql aa11:TO"),
        (
            "doppler run -- poetry run alembic upgrade head",
            "doppler run -- poetry run alembic upgrade --sql aa11:TO",
        ),
        (
            "env A=1 nice poetry run python -m alembic upgrade head",
            "env A=1 nice poetry run python -m alembic upgrade --sql aa11:TO",
        ),
        ("flask db upgrade", "flask db upgrade --sql aa11:TO"),
        ("flask --app x db upgrade", "flask --app x db upgrade --sql aa11:TO"),
        (
            "flask -A x --debug db -d m upgrade head",
            "flask -A x --debug db -d m upgrade --sql aa11:TO",
        ),
        ("flask db upgrade -d m -x a=b abcd", "flask db upgrade -d m -x a=b --sql aa11:TO"),
        ("flask db downgrade", "flask db downgrade --sql aa11:TO"),
        ("python -m flask db upgrade", "python -m flask db upgrade --sql aa11:TO"),
        ("poetry run flask db upgrade", "poetry run flask db upgrade --sql aa11:TO"),
        ("python manage.py db upgrade", "python manage.py db upgrade --sql aa11:TO"),
        (
            "docker compose exec app alembic upgrade head",
            "docker compose exec -T app alembic upgrade --sql aa11:TO",
        ),
        (
            "docker compose -f a.yml exec -T app alembic upgrade head",
            "docker compose -f a.yml exec -T app alembic upgrade --sql aa11:TO",
        ),
        (
            "docker-compose run --rm -e A=b app alembic upgrade head",
            "docker-compose run -T --rm -e A=b app alembic upgrade --sql aa11:TO",
        ),
        (
            "docker exec -it api alembic upgrade head",
            "docker exec -i api alembic upgrade --sql aa11:TO",
        ),
        (
            "kubectl exec deploy/api -- alembic upgrade head",
            "kubectl exec deploy/api -- alembic upgrade --sql aa11:TO",
        ),
        ("sh -c 'alembic upgrade head'", "sh -c alembic upgrade --sql aa11:TO"),
        (
            "bash -lc 'exec poetry run alembic upgrade head'",
            "bash -lc poetry run alembic upgrade --sql aa11:TO",
        ),
        ("sh -c 'A=b alembic upgrade head'", "sh -c env 'A=b' alembic upgrade --sql aa11:TO"),
        (
            "docker compose exec app sh -c 'alembic upgrade head'",
            "docker compose exec -T app sh -c alembic upgrade --sql aa11:TO",
        ),
    ] {
        assert_eq!(rendered(line).unwrap_or_else(|| "NONE".to_owned()), expected, "{line}");
    }
}

#[test]
fn what_is_not_certainly_alembic_is_left_alone() {
    for line in [
        "",
        "true",
        "make migrate",
        "./migrate.sh",
        "psql -f x.sql",
        "npm run migrate:up",
        "alembic",
        "alembic upgrade",
        "alembic upgrade head extra",
        "alembic upgrade head --nope",
        "alembic --nope upgrade head",
        "alembic migrate head",
        "python alembic upgrade head",
        "python -c 'import alembic' upgrade head",
        "python -m pytest upgrade head",
        "flask run",
        "flask dbx upgrade",
        "flask db downgrade -1",
        "poetry alembic upgrade head",
        "poetry run make upgrade head",
        "xargs alembic upgrade head",
        "ssh host alembic upgrade head",
        "sh -c 'cd api && alembic upgrade head'",
        "sh -c 'alembic upgrade head; rm -rf x'",
        "sh -c 'alembic upgrade $TARGET'",
        "sh -c 'alembic upgrade head' extra",
        "sh migrate.sh",
        "sh -c 'alembic upgrade head > log'",
        "docker run --entrypoint sh app alembic upgrade head",
        "docker compose exec -d app alembic upgrade head",
        "docker compose up",
        "kubectl exec pod alembic upgrade head",
        "env -S 'alembic upgrade head'",
        "uv run -s alembic upgrade head",
        "doppler run --command 'alembic upgrade head'",
        "airflow db migrate",
        "env",
    ] {
        assert_eq!(rendered(line), None, "{line}");
    }
}

#[test]
fn the_parts_of_a_command_line() {
    let command = AlembicCommand::recognize(&words(
        "env DATABASE_URL=x uv run --directory api alembic -c a.ini -c pyproject.toml -n prod -x t=1 -xu=2 downgrade -2",
    ))
    .expect("is alembic");
    assert_eq!(command.movement(), Some((Direction::Downgrade, "-2")));
    assert_eq!(command.configs, ["a.ini", "pyproject.toml"]);
    assert_eq!(command.section, "prod");
    assert_eq!(command.x_args, ["t=1", "u=2"]);
    assert_eq!(command.assigned, [("DATABASE_URL".to_owned(), "x".to_owned())]);
    assert_eq!(command.directory.as_deref(), Some("api"));
    assert_eq!(command.flavor, Flavor::Alembic);
}

#[test]
fn what_each_subcommand_does() {
    let task = |line: &str| AlembicCommand::recognize(&words(line)).expect("is alembic").task;
    assert_eq!(task("alembic stamp head"), Task::Stamp { is_offline: false });
    assert_eq!(task("flask db stamp --sql head"), Task::Stamp { is_offline: true });
    assert_eq!(task("alembic current -v"), Task::Look("current".to_owned()));
    assert_eq!(task("alembic history -r a:b"), Task::Look("history".to_owned()));
    assert_eq!(task("flask db migrate -m x"), Task::WriteFiles("migrate".to_owned()));
    for line in ["alembic upgrade head --sql", "alembic upgrade --sq a:b", "flask db upgrade --sql"]
    {
        let command = AlembicCommand::recognize(&words(line)).expect("is alembic");
        assert!(matches!(command.task, Task::Move { is_offline: true, .. }), "{line}");
        assert_eq!(command.movement(), None, "{line}");
    }
    let command = AlembicCommand::recognize(&words("flask db downgrade")).expect("is flask");
    assert_eq!(command.movement(), Some((Direction::Downgrade, "-1")));
}

#[test]
fn a_variable_is_put_where_the_program_sees_it() {
    let set = |line: &str| {
        let command = AlembicCommand::recognize(&words(line)).expect("is alembic");
        let invocation = command.render_with("a", "b", "PGOPTIONS", "-c x=on").expect("it moves");
        let inherited = invocation.env.iter().any(|(name, _)| name == "PGOPTIONS");
        (invocation.display(), inherited)
    };
    let (line, inherited) = set("alembic upgrade head");
    assert_eq!((line.as_str(), inherited), ("alembic upgrade --sql a:b", true));
    let (line, inherited) = set("env 'PGOPTIONS=-c y=1' alembic upgrade head");
    assert_eq!(
        (line.as_str(), inherited),
        ("env 'PGOPTIONS=-c y=1 -c x=on' alembic upgrade --sql a:b", false)
    );
    let (line, _) = set("docker compose exec app alembic upgrade head");
    assert_eq!(line, "docker compose exec -T -e 'PGOPTIONS=-c x=on' app alembic upgrade --sql a:b");
    let (line, _) = set("kubectl exec pod -- alembic upgrade head");
    assert_eq!(line, "kubectl exec pod -- env 'PGOPTIONS=-c x=on' alembic upgrade --sql a:b");
}

#[test]
fn a_wrapper_that_hides_our_environment_says_so() {
    let loses = |line: &str| {
        AlembicCommand::recognize(&words(line)).expect("is alembic").loses_environment().is_some()
    };
    assert!(loses("sudo -u app alembic upgrade head"));
    assert!(loses("env -i PATH=/bin alembic upgrade head"));
    assert!(!loses("poetry run alembic upgrade head"));
}
