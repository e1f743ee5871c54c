from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from syncd.config import LinkSettings, Settings, find_config, load
from syncd.errors import ConfigError

Loaded = Callable[..., Settings]
Refused = Callable[..., tuple[str, ...]]

LINK = '[links.clinic.ghl]\nlocation_id = "loc-1"\n'


def written(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


class TestTheMainFile:
    def test_is_first_looked_for_where_the_option_says(self, tmp_path: Path) -> None:
        named = written(tmp_path / "named.toml")
        other = written(tmp_path / "other.toml")
        env = {"SYNCD_CONFIG": str(other)}
        assert find_config(Path("named.toml"), env=env, cwd=tmp_path) == named

    def test_then_where_the_variable_says(self, tmp_path: Path) -> None:
        other = written(tmp_path / "other.toml")
        written(tmp_path / "config.toml")
        assert find_config(None, env={"SYNCD_CONFIG": str(other)}, cwd=tmp_path) == other

    def test_then_in_the_current_folder(self, tmp_path: Path) -> None:
        here = written(tmp_path / "config.toml")
        written(tmp_path / "xdg/syncd/config.toml")
        assert find_config(None, env={"XDG_CONFIG_HOME": f"{tmp_path}/xdg"}, cwd=tmp_path) == here

    def test_then_in_the_folder_for_configurations(self, tmp_path: Path) -> None:
        there = written(tmp_path / "xdg/syncd/config.toml")
        assert find_config(None, env={"XDG_CONFIG_HOME": f"{tmp_path}/xdg"}, cwd=tmp_path) == there

    def test_which_is_below_home_where_no_variable_names_it(self, tmp_path: Path) -> None:
        there = written(tmp_path / ".config/syncd/config.toml")
        assert find_config(None, env={"HOME": str(tmp_path)}, cwd=tmp_path) == there

    @pytest.mark.parametrize("way", ["option", "variable"])
    def test_that_is_named_and_not_there_is_an_error(self, tmp_path: Path, way: str) -> None:
        written(tmp_path / "config.toml")
        explicit = Path("gone.toml") if way == "option" else None
        env = {} if way == "option" else {"SYNCD_CONFIG": "gone.toml"}
        with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
            find_config(explicit, env=env, cwd=tmp_path)

    def test_that_cannot_be_found_is_an_error_that_says_where_it_was_looked_for(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(
            ConfigError, match=r"config\.toml.*/etc/syncd/config\.toml.*config init"
        ):
            find_config(None, env={}, cwd=tmp_path)

    def test_that_is_no_toml_is_told_with_file_line_and_column(self, refused: Refused) -> None:
        (line,) = refused(f"{LINK}[sync\n")
        assert "config.toml: line 3, column 6: " in line

    def test_that_is_no_text_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="not UTF-8"):
            load(None, {}, tmp_path)

    def test_that_is_a_folder_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").mkdir()
        with pytest.raises(ConfigError, match="a folder; name the file in it"):
            load(Path("config.toml"), {}, tmp_path)

    def test_without_a_link_is_refused(self, tmp_path: Path) -> None:
        written(tmp_path / "config.toml", '[logging]\nlevel = "info"\n')
        with pytest.raises(ConfigError, match="links: missing"):
            load(None, {}, tmp_path)


class TestRelativePaths:
    def test_of_the_store_start_at_the_file_that_names_it(self, tmp_path: Path) -> None:
        main = written(tmp_path / "etc/config.toml", f'[store]\nurl = "sqlite:///a/b.db"\n{LINK}')
        assert load(main, {}, tmp_path).store.url == f"sqlite:///{tmp_path}/etc/a/b.db"

    def test_of_the_default_store_start_at_the_main_file(self, tmp_path: Path) -> None:
        main = written(tmp_path / "etc/config.toml", LINK)
        assert load(main, {}, tmp_path).store.url == f"sqlite:///{tmp_path}/etc/syncd.db"

    def test_of_a_store_from_the_environment_start_at_the_current_folder(
        self, tmp_path: Path
    ) -> None:
        main = written(tmp_path / "etc/config.toml", LINK)
        settings = load(main, {"SYNCD_STORE__URL": "sqlite:///x.db"}, tmp_path)
        assert settings.store.url == f"sqlite:///{tmp_path}/x.db"

    def test_of_a_token_file_start_at_the_file_that_names_it(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", 'include = ["links.d/*.toml"]\n')
        written(tmp_path / "links.d/a.toml", f'{LINK}token = {{ file = "t" }}\n')
        settings = load(main, {}, tmp_path)
        assert settings.links["clinic"].ghl.token.file == f"{tmp_path}/links.d/t"

    def test_that_are_absolute_or_below_home_stay_what_they_are(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", f'{LINK}token = {{ file = "~/t" }}\n')
        env = {"HOME": "/home/me", "SYNCD_STORE__URL": "sqlite:////var/lib/syncd.db?timeout=5"}
        settings = load(main, env, tmp_path)
        assert settings.links["clinic"].ghl.token.file == "/home/me/t"
        assert settings.store.url == "sqlite:////var/lib/syncd.db?timeout=5"


class TestIncludes:
    def test_add_their_links_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", 'include = ["links.d/*.toml"]\n' + LINK)
        for name in ("b", "a"):
            text = f'[links.{name}.ghl]\nlocation_id = "{name}"\n[links.{name}.sync]\n'
            text += 'direction = "ghl_to_hubspot"\n'
            written(tmp_path / f"links.d/{name}.toml", text)
        text = main.read_text() + '[links.clinic.sync]\ndirection = "ghl_to_hubspot"\n'
        main.write_text(text)
        assert list(load(main, {}, tmp_path).links) == ["clinic", "a", "b"]

    def test_that_match_nothing_are_fine_when_they_are_patterns(self, loaded: Loaded) -> None:
        assert loaded(f'include = ["links.d/*.toml"]\n{LINK}').links

    def test_that_name_a_missing_file_are_refused(self, refused: Refused) -> None:
        (line,) = refused(f'include = ["gone.toml"]\n{LINK}')
        assert line.endswith("gone.toml: no such file")

    def test_that_are_no_list_are_refused(self, refused: Refused) -> None:
        (line,) = refused(f"include = 5\n{LINK}")
        assert line.startswith("include = 5: accepted: ")

    def test_may_not_include_others(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", f'include = ["a.toml"]\n{LINK}')
        written(tmp_path / "a.toml", 'include = ["b.toml"]\n')
        with pytest.raises(ConfigError, match="only the main file"):
            load(main, {}, tmp_path)

    def test_may_not_give_a_key_again(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", f'include = ["a.toml"]\n{LINK}')
        written(tmp_path / "a.toml", LINK)
        with pytest.raises(ConfigError, match=r"links\.clinic\.ghl\.location_id: given twice, in "):
            load(main, {}, tmp_path)

    def test_that_cannot_be_read_are_all_told(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", f'include = ["?.toml"]\n{LINK}')
        written(tmp_path / "a.toml", "a = \n")
        written(tmp_path / "b.toml", "]")
        with pytest.raises(ConfigError) as caught:
            load(main, {}, tmp_path)
        assert ["a.toml: line 1" in caught.value.problems[0], len(caught.value.problems)] == [
            True,
            2,
        ]

    def test_are_named_in_the_problems_of_what_stands_in_them(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", 'include = ["a.toml"]\n')
        written(tmp_path / "a.toml", LINK + "[links.clinic.sync]\npast = -1\n")
        with pytest.raises(ConfigError, match=rf"\[{tmp_path}/a\.toml\]"):
            load(main, {}, tmp_path)


class TestDefaults:
    def test_stand_below_every_link(self, loaded: Loaded) -> None:
        settings = loaded(
            '[defaults.sync]\npast = "1d"\nfuture = "2d"\n[links.a.ghl]\nlocation_id = "a"\n'
            '[links.a.sync]\nfuture = "3d"\n'
        )
        sync = settings.links["a"].sync
        assert (sync.past.days, sync.future.days) == (1, 3)

    def test_of_a_guard_are_merged_number_by_number(self, loaded: Loaded) -> None:
        guard = (
            loaded(
                "[defaults.sync]\nremoval_guard = { percent = 1, at_least = 2 }\n"
                f"{LINK}[links.clinic.sync]\nremoval_guard = {{ percent = 3 }}\n"
            )
            .links["clinic"]
            .sync.removal_guard
        )
        assert (guard.percent, guard.at_least) == (3, 2)

    def test_of_a_token_are_replaced_whole(self, loaded: Loaded) -> None:
        settings = loaded(
            f'[defaults.ghl]\ntoken = {{ env = "A" }}\n{LINK}token = {{ credential = "b" }}\n'
        )
        assert settings.links["clinic"].ghl.token.place == ("credential", "b")

    def test_that_are_wrong_are_told_once_for_many_links(self, refused: Refused) -> None:
        links = "".join(f'[links.l{n}.ghl]\nlocation_id = "{n}"\n' for n in range(3))
        one_way = '[defaults.sync]\ndirection = "ghl_to_hubspot"\npst = 5\n'
        (line,) = refused(one_way + links)
        assert line == (
            "defaults.sync.pst = 5: unknown key; did you mean past (accepted: a number of seconds, "
            'or a duration such as "90s", "5m", "6h", "30d")?'
        )

    def test_that_are_no_table_are_refused(self, refused: Refused) -> None:
        (line,) = refused(f"defaults = 5\n{LINK}")
        assert line.startswith("defaults: ")


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("variable", "text", "reads"),
        [
            ("SYNCD_LOGGING__LEVEL", "debug", lambda s: s.logging.level == "debug"),
            ("SYNCD_SCHEDULE__POLL_INTERVAL", "5", lambda s: s.schedule.poll_interval.seconds == 5),
            (
                "SYNCD_LINKS__CLINIC__GHL__LOCATION_ID",
                "x",
                lambda s: link(s).ghl.location_id == "x",
            ),
            (
                "SYNCD_LINKS__CLINIC__GHL__CALENDARS",
                '["a"]',
                lambda s: link(s).ghl.calendars == ("a",),
            ),
            ("SYNCD_LINKS__CLINIC__GHL__NOTIFY", "true", lambda s: link(s).ghl.notify == "always"),
            (
                "SYNCD_LINKS__CLINIC__GHL__RATE_LIMIT__REQUESTS",
                "7",
                lambda s: link(s).ghl.rate_limit.requests == 7,
            ),
            (
                "SYNCD_LINKS__CLINIC__GHL__RATE_LIMIT",
                '{ requests = 8, per = "1s" }',
                lambda s: link(s).ghl.rate_limit.requests == 8,
            ),
            (
                "SYNCD_LINKS__CLINIC__GHL__TOKEN__FILE",
                "/t",
                lambda s: link(s).ghl.token.place == ("file", "/t"),
            ),
            (
                "SYNCD_LINKS__CLINIC__GHL__TOKEN",
                '{ credential = "c" }',
                lambda s: link(s).ghl.token.place == ("credential", "c"),
            ),
            (
                "SYNCD_LINKS__CLINIC__SYNC__CONFLICT__TIME",
                "hold",
                lambda s: (
                    (link(s).sync.conflict.time, link(s).sync.conflict.text) == ("hold", "newest")
                ),
            ),
            (
                "SYNCD_LINKS__CLINIC__STATUS__TO_HUBSPOT__NEW",
                "PLANNED",
                lambda s: (
                    link(s).status.to_hubspot["new"] == "PLANNED"
                    and link(s).status.to_hubspot["showed"] == "COMPLETED"
                ),
            ),
            (
                "SYNCD_LINKS__CLINIC__HUBSPOT__FILTER__TEAM",
                '["a", "b"]',
                lambda s: link(s).hubspot.filter == {"TEAM": ("a", "b")},
            ),
            ("SYNCD_DEFAULTS__SYNC__PAST", "1d", lambda s: link(s).sync.past.days == 1),
            ("SYNCD_HTTP__LISTEN", "[::1]:9", lambda s: s.http.address == ("::1", 9)),
        ],
    )
    def test_overrides_any_key(
        self, loaded: Loaded, variable: str, text: str, reads: Callable[[Settings], bool]
    ) -> None:
        assert reads(loaded(env={variable: text}))

    def test_wins_over_the_file(self, loaded: Loaded) -> None:
        text = f'{LINK}token = {{ env = "A" }}\n'
        settings = loaded(text, {"SYNCD_LINKS__CLINIC__GHL__TOKEN__ENV": "B"})
        assert settings.links["clinic"].ghl.token.env == "B"

    def test_reaches_links_whose_names_hold_two_underscores(self, loaded: Loaded) -> None:
        text = '[links.a__b.ghl]\nlocation_id = "x"\n'
        settings = loaded(text, {"SYNCD_LINKS__A__B__GHL__LOCATION_ID": "y"})
        assert settings.links["a__b"].ghl.location_id == "y"

    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("SYNCD_STORE_URL", "SYNCD_STORE__URL"),
            ("SYNCD_LOG_LEVEL", "SYNCD_LOGGING__LEVEL"),
            ("SYNCD_LINKS__CLINC__GHL__LOCATION_ID", "SYNCD_LINKS__CLINIC__GHL__LOCATION_ID"),
            ("SYNCD_LINKS__CLINIC__GHL__LOCATIN_ID", "SYNCD_LINKS__CLINIC__GHL__LOCATION_ID"),
            ("SYNCD_LINKS__CLINIC__GHL__TOKEN__VAR", "SYNCD_LINKS__CLINIC__GHL__TOKEN"),
        ],
    )
    def test_with_an_unknown_variable_is_an_error_that_names_the_nearest(
        self, refused: Refused, variable: str, meant: str
    ) -> None:
        assert refused(env={variable: "x"}) == (
            f"{variable}: unknown variable; did you mean {meant}?",
        )

    def test_may_hold_what_is_another_programs(self, loaded: Loaded) -> None:
        env = {"SYNCD_9_TCP_ADDR": "10.0.0.1", "SYNCD_XYZZY": "x"}
        assert loaded(env=env).links == loaded().links
        assert loaded(env=env).foreign == ("SYNCD_9_TCP_ADDR", "SYNCD_XYZZY")

    def test_may_hold_what_is_for_the_tests_and_for_finding_the_file(self, loaded: Loaded) -> None:
        env = {"SYNCD_TEST_POSTGRES_URL": "x", "SYNCD_CONFIG": "/else.toml"}
        assert loaded(env=env) == loaded()

    def test_may_hold_a_token_that_the_configuration_points_to(self, loaded: Loaded) -> None:
        text = f'{LINK}token = {{ env = "SYNCD_GHL_TOKEN" }}\n'
        assert loaded(text, {"SYNCD_GHL_TOKEN": "t"}).links

    def test_can_name_the_includes(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", "")
        written(tmp_path / "more.toml", LINK)
        assert load(main, {"SYNCD_INCLUDE": '["more.toml"]'}, tmp_path).links
        assert load(main, {"SYNCD_INCLUDE": "more.toml"}, tmp_path).links

    def test_is_named_in_the_problem_of_a_value_from_it(self, refused: Refused) -> None:
        (line,) = refused(env={"SYNCD_LOGGING__LEVEL": "loud"})
        assert line.startswith('logging.level = "loud": accepted: ')
        assert line.endswith(" [SYNCD_LOGGING__LEVEL]")


def test_any_two_problems_are_told_together(refused: Refused) -> None:
    env: Mapping[str, str] = {"SYNCD_STOR__URL": "x"}
    lines = refused("[http]\nlisten = 5\n[loging]\nlevel = 1\n[links.a.sync]\npst = 1\n", env)
    assert [line.split(" ")[0].rstrip(":") for line in lines] == [
        "SYNCD_STOR__URL",
        "http.listen",
        "links.a.ghl",
        "links.a.sync.pst",
        "loging",
    ]


def link(settings: Settings) -> LinkSettings:
    return settings.links["clinic"]


class TestPatterns:
    @pytest.mark.parametrize(
        "pattern", ["links.d/*.toml", "./links.d/a.toml", "../x[y]/links.d/?.toml"]
    )
    def test_are_relative_to_the_file_whatever_its_folder_is_called(
        self, tmp_path: Path, pattern: str
    ) -> None:
        main = written(
            tmp_path / "x[y]/config.toml", f'include = ["{pattern.replace("x[y]", "*")}"]\n'
        )
        written(tmp_path / "x[y]/links.d/a.toml", LINK)
        assert load(main, {}, tmp_path).links

    def test_may_be_absolute(self, tmp_path: Path) -> None:
        main = written(tmp_path / "config.toml", f'include = ["{tmp_path}/l/*.toml"]\n')
        written(tmp_path / "l/a.toml", LINK)
        assert load(main, {}, tmp_path).links

    @pytest.mark.parametrize("pattern", ["", "/", "**", "a/**b", "\\u0000"])
    def test_that_mean_nothing_never_end_in_a_fault(self, refused: Refused, pattern: str) -> None:
        assert refused(f'include = ["{pattern}"]\n[links.clinic]\n')
