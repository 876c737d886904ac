"""Pictures: that they show what they are given, without pyplot and without a display."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import visualize
from minicnn.errors import ArgumentError, ShapeError

pytestmark = pytest.mark.host

HISTORY = {
    "epoch": [1, 2, 3],
    "loss": [2.0, 1.0, 0.5],
    "accuracy": [0.2, 0.6, 0.9],
    "val_loss": [1.5, 1.2, 1.1],
    "val_accuracy": [0.4, 0.7, 0.8],
    "lr": [0.1, 0.1, 0.1],
    "seconds": [1.0, 1.0, 1.0],
}


def test_curves_have_a_panel_for_loss_and_metric_with_both_lines():
    figure = visualize.curves(HISTORY, "a title")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    for axes, name in zip(figure.axes, ["loss", "accuracy"], strict=True):
        lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
        assert lines == {"training": HISTORY[name], "validation": HISTORY[f"val_{name}"]}
        assert list(axes.lines[0].get_xdata()) == [1, 2, 3]


def test_curves_do_without_validation_and_epoch_numbers():
    figure = visualize.curves({"loss": [3.0, -1.0]})
    assert len(figure.axes) == 1 and len(figure.axes[0].lines) == 1
    assert figure.axes[0].get_ylim()[0] < -1


@pytest.mark.parametrize("history", [{}, {"loss": []}, {"lr": [0.1]}])
def test_there_is_nothing_to_draw_before_the_first_epoch(history):
    with pytest.raises(ArgumentError, match="the history has no epoch to draw"):
        visualize.curves(history)


def test_confusion_writes_every_count_and_the_accuracy():
    figure = visualize.confusion([[3, 1], [0, 4]], ["cat", "dog"])
    axes = figure.axes[0]
    assert sorted(t.get_text() for t in axes.texts) == ["1", "3", "4"]
    assert axes.get_title() == "accuracy 87.50% of 8"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


def test_confusion_shows_right_in_blue_and_wrong_in_orange():
    colours = np.asarray(visualize.confusion([[3, 1], [0, 4]]).axes[0].images[0].get_array())
    red, blue = colours[..., 0], colours[..., 2]
    assert blue[0, 0] > red[0, 0] and red[0, 1] > blue[0, 1]
    assert np.ptp(colours[1, 0]) == 0  # nothing there: grey


def test_confusion_of_many_classes_and_of_none_seen():
    assert not visualize.confusion(np.eye(40, dtype=int)).axes[0].texts
    assert visualize.confusion(np.zeros((3, 3), int)).axes[0].get_title() == "accuracy 0.00% of 0"


@pytest.mark.parametrize(
    ("matrix", "classes", "message"),
    [
        (np.zeros((2, 3)), None, r"expected counts \(K, K\)"),
        (np.eye(2), ["a"], "1 names for 2 classes"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, classes, message):
    with pytest.raises(ShapeError, match=message):
        visualize.confusion(matrix, classes)


def test_images_are_shown_in_a_grid_with_their_titles():
    x = np.random.default_rng(0).random((5, 3, 4, 6))
    figure = visualize.images(x, list("abcde"), columns=3, title="five")
    assert len(figure.axes) == 6  # two rows of three
    assert [a.get_title() for a in figure.axes] == ["a", "b", "c", "d", "e", ""]
    assert np.array_equal(figure.axes[4].images[0].get_array(), x[4].transpose(1, 2, 0))


def test_tensors_with_gradients_are_pictures_too():
    figure = visualize.images(minicnn.rand(2, 1, 4, 4, requires_grad=True))
    assert figure.axes[0].images[0].get_array().shape == (4, 4)


def test_what_lies_outside_of_zero_and_one_is_cut_off():
    shown = visualize.images(np.array([[[[-1.0, 2.0]]]])).axes[0].images[0].get_array()
    assert shown.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 4, 4), (1, 4, 4)])
def test_what_are_no_images_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected pictures \(N, 1 or 3, H, W\)"):
        visualize.images(np.zeros(shape))


def test_no_images_are_refused():
    with pytest.raises(ArgumentError, match="there is no picture to draw"):
        visualize.images(np.zeros((0, 1, 4, 4)))


def test_mistakes_come_in_the_order_of_their_confidence():
    shares = np.array([[0.1, 0.9], [0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    x = np.arange(4).reshape(4, 1, 1, 1) / 4 * np.ones((4, 1, 2, 2))
    figure = visualize.mistakes(x, shares, np.array([0, 0, 0, 0]), ["cat", "dog"], most=2)
    assert [a.get_title() for a in figure.axes] == ["cat → dog (90%)", "cat → dog (80%)"]
    assert [a.images[0].get_array()[0, 0] for a in figure.axes] == [0.0, 0.75]
    assert "2 of 3 mistakes" in figure.get_suptitle().replace("\n", " ")


def test_mistakes_stand_in_as_many_columns_as_asked_for():
    shares = np.array([[0.1, 0.9]] * 3)
    figure = visualize.mistakes(np.zeros((3, 1, 2, 2)), shares, np.zeros(3, int), columns=2)
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 2)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_title_fits_above_few_mistakes(count):
    shares = np.full((count, 2), [0.0, 1.0])
    figure = visualize.mistakes(np.zeros((count, 1, 2, 2)), shares, np.zeros(count, int))
    figure.canvas.draw()
    title = figure._suptitle.get_window_extent()
    assert title.x0 >= 0 and title.x1 <= figure.bbox.x1


def test_no_mistakes_are_no_picture():
    with pytest.raises(ArgumentError, match="every sample was classified correctly"):
        visualize.mistakes(np.zeros((1, 1, 2, 2)), np.array([[1.0, 0.0]]), np.array([0]))


@pytest.mark.parametrize(
    ("shape", "count"), [((4, 1, 3, 3), 4), ((4, 3, 5, 5), 4), ((2, 5, 3, 3), 10)]
)
def test_filters_are_shown_in_colour_or_channel_by_channel(shape, count):
    w = np.random.default_rng(0).normal(size=shape)
    shown = [a.images[0].get_array() for a in visualize.filters(w).axes if a.images]
    assert len(shown) == count
    assert all(s.min() == 0 and s.max() == 1 for s in shown)


def test_what_are_no_filters_is_refused():
    with pytest.raises(ShapeError, match=r"expected weights \(F, C, KH, KW\)"):
        visualize.filters(np.zeros((3, 3)))


def test_a_saved_figure_is_a_picture_of_its_size(tmp_path):
    visualize.save(visualize.curves(HISTORY), tmp_path / "curves.png", dpi=50)
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (480, 180)
        assert len(picture.convert("RGB").getcolors(10**6)) > 10
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_saving_writes_the_format_that_the_name_says(tmp_path):
    visualize.save(visualize.curves(HISTORY), tmp_path / "c.svg")
    assert b"<svg" in (tmp_path / "c.svg").read_bytes()
    with pytest.raises(ArgumentError, match=r"does not end like a picture.*'png'\?"):
        visualize.save(visualize.curves(HISTORY), tmp_path / "c.pngg")


def test_a_failed_save_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "c.png"
    path.write_bytes(b"old")
    figure = visualize.curves(HISTORY)
    monkeypatch.setattr(figure, "savefig", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        visualize.save(figure, path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_drawing_never_touches_pyplot():
    code = (
        "import sys; from minicnn import visualize\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from io import BytesIO\n"
        "visualize.curves({'loss': [1.0, 0.5]}).savefig(BytesIO())\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_figures_show_themselves_in_memory():
    content = BytesIO()
    visualize.images(np.zeros((1, 1, 2, 2))).savefig(content, format="png")
    assert content.getvalue().startswith(b"\x89PNG")


def test_a_figure_shows_itself_in_a_notebook_without_pyplot():
    shown = visualize.curves(HISTORY)._repr_png_()
    assert Image.open(BytesIO(shown)).size == (960, 360)


def test_the_look_of_the_course_is_a_style_of_matplotlib():
    from matplotlib import rc_context, rcParams, style

    with rc_context():
        style.use("minicnn.visualize.course")
        assert rcParams["axes.prop_cycle"].by_key()["color"][0] == "#0072B2"
