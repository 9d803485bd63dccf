"""Video: the named numbers of stabilization, cuts, exposure and planes, and features switched off."""

from mutation import mutants_in

ROWS = {
    "steady": (
        ("most-strength", "_MAX_STRENGTH = 0.98", "_MAX_STRENGTH = 0.9"),
        ("flow-error", "_FLOW_ERROR = 2.0", "_FLOW_ERROR = 3.0"),
        ("lightness-error", "_LIGHTNESS_ERROR = 16.0", "_LIGHTNESS_ERROR = 24.0"),
        ("window", "window: int = 72", "window: int = 36"),
        ("edge", "_EDGE = 0.5", "_EDGE = 1.5"),
        ("doubtful", "_DOUBTFUL, _SURE = 0.3, 0.7", "_DOUBTFUL, _SURE = 0.1, 0.7"),
        ("sure", "_DOUBTFUL, _SURE = 0.3, 0.7", "_DOUBTFUL, _SURE = 0.3, 0.9"),
        ("unreached", "_UNREACHED = 0.03", "_UNREACHED = 0.01"),
        ("more-unreached", "_UNREACHED = 0.03", "_UNREACHED = 0.5"),
        ("few", "_FEW = 12", "_FEW = 13"),
        ("parts", "_PARTS = (0.0, 1.0)", "_PARTS = (0.25, 0.75)"),
        ("fewest-between", "_FEWEST_BETWEEN = 20", "_FEWEST_BETWEEN = 30"),
        ("finest", "_FINEST = 1", "_FINEST = 2"),
        ("filled", "weight += np.float32(_KNOWN)", "weight += np.float32(1.0)"),
        ("fixed", "_FIXED = 8.0", "_FIXED = 0.5"),
        ("lightness-ignored", "exponent += lightness_error", "exponent += 0 * lightness_error"),
        ("colors-not-moved", "_times(_sampled(values, flow), held)", "_times(values, held)"),
        ("trust-ignored", "_times(_sampled(values, flow), held)", "_sampled(values, flow)"),
        ("scale-ignored", "cv2.multiply(flow, scale)", "flow"),
        (
            "later-windows-begin-anew",
            "        self._frames = []\n        return found",
            "        self._frames, self._last = [], None\n        return found",
        ),
        ("shots-joined", "        self._last = None\n        return rest", "        return rest"),
        ("gray-of-ten", "* 2.55).round()", "* 25.5).round()"),
        ("tiny-pictures", "if min(first.shape) < 16:", "if min(first.shape) < 17:"),
        ("broken-frames-asked", "if frame.is_whole] or [0]", "] or [0]"),
    ),
    "shots": (
        ("least-change", "_MIN_CHANGE = 0.2", "_MIN_CHANGE = 0.1"),
        ("more-change", "_MIN_CHANGE = 0.2", "_MIN_CHANGE = 0.3"),
        ("most-correlation", "_MAX_CORRELATION = 0.6", "_MAX_CORRELATION = 0.8"),
        ("less-correlation", "_MAX_CORRELATION = 0.6", "_MAX_CORRELATION = 0.4"),
        ("bins", "_BINS = 32", "_BINS = 4"),
        ("not-smoothed", "(0.25, 0.5, 0.25)", "(0.0, 1.0, 0.0)"),
        (
            "one-histogram",
            "for top in (0, rows) for left in (0, columns)",
            "for top in (0, 0) for left in (0, 0)",
        ),
        ("correlation-ignored", "and _correlation(last, small)", "and 0 * _correlation(last, small)"),
        ("change-ignored", "_change(before[1], histograms) > _MIN_CHANGE and", "True and"),
        ("mean-not-subtracted", "first - first.mean(), second - second.mean()", "first, second"),
        ("size", "_SIZE = (64, 36)", "_SIZE = (6, 4)"),
    ),
    "exposure": (
        ("side", "_SIDE = 48", "_SIDE = 1"),
        ("black", "_BLACK = 16.0", "_BLACK = 8.0"),
        ("least-factor", "_LEAST, _MOST = 0.7, 1.45", "_LEAST, _MOST = 0.8, 1.45"),
        ("most-factor", "_LEAST, _MOST = 0.7, 1.45", "_LEAST, _MOST = 0.7, 1.3"),
        ("black-counts", "_USABLE = (4.0, 96.0)", "_USABLE = (2.0, 96.0)"),
        ("burnt-out-counts", "_USABLE = (4.0, 96.0)", "_USABLE = (4.0, 98.0)"),
        ("changes-never-return", "    0.06  #", "    0.0  #"),
        ("changes-return-at-once", "    0.06  #", "    0.12  #"),
        ("mean-for-median", "np.median(ratio)", "np.mean(ratio)"),
        ("nothing-held", "factor = _factor(small, self._last) ** (1 - _RETURN)", "factor = 1.0"),
    ),
    "planes": (
        ("hd-height", "_HD_HEIGHT = 720", "_HD_HEIGHT = 721"),
        ("gray-chroma", "_MAX_GRAY_CHROMA = 1.5", "_MAX_GRAY_CHROMA = 3.0"),
        ("less-gray-chroma", "_MAX_GRAY_CHROMA = 1.5", "_MAX_GRAY_CHROMA = 0.75"),
        ("table-too-small", "_FARTHEST, _APART = 128, 8", "_FARTHEST, _APART = 32, 8"),
        ("table-too-coarse", "_FARTHEST, _APART = 128, 8", "_FARTHEST, _APART = 128, 64"),
        ("bt709", "BT709, SMPTE170M, BT2020 = 1", "BT709, SMPTE170M, BT2020 = 4"),
        ("smpte170m", "BT2020 = 1, 6", "BT2020 = 1, 7"),
        ("full-range", "FULL_RANGE = 2", "FULL_RANGE = 1"),
        ("weights", "BT709: (0.2126, 0.0722)", "BT709: (0.2627, 0.0722)"),
    ),
    "encoding": (
        ("crf-h264", '"h264": 16', '"h264": 26'),
        ("untagged", "_UNTAGGED = 2", "_UNTAGGED = 3"),
    ),
    "colorer": (
        ("aspect", "_ASPECT_TOLERANCE = 0.02", "_ASPECT_TOLERANCE = 0.01"),
        ("more-aspect", "_ASPECT_TOLERANCE = 0.02", "_ASPECT_TOLERANCE = 0.03"),
    ),
    "run": (
        ("middle", "self.first + self.count // 2", "self.first"),
        ("doubt-forgotten", "doubt=self._colorer.doubt,", "doubt=None,"),
    ),
    "report": (
        ("broken-frames-not-told", "(*ReadIssues(list(shot.broken)).lines(), *shot.notes)", "shot.notes"),
        ("in-order-of-the-film", "return sorted_entries(entries)", "return entries"),
    ),
    "folder": (
        (
            "other-pictures-are-frames",
            "FrameFolder(path, [result_name(file) for file in self.files])",
            "FrameFolder(path)",
        ),
    ),
    "frames": (
        ("listed", "_LISTED = 5", "_LISTED = 4"),
        ("more-listed", "_LISTED = 5", "_LISTED = 6"),
    ),
}
STEADY = {
    "test_trust_needs_agreement_of_the_flows_and_of_the_lightness_inside_the_picture": (
        *("flow-error", "lightness-error", "edge", "lightness-ignored"),
    ),
    "test_a_share_is_held_where_a_frame_has_colors_of_its_own": ("most-strength",),
    "test_colors_are_moved_as_far_as_they_are_trusted_and_seven_tenths_are_all": (
        *("doubtful", "sure", "colors-not-moved", "trust-ignored"),
    ),
    "test_motion_of_half_the_size_moves_colors_of_the_whole": ("scale-ignored",),
    "test_a_new_corner_of_a_twentieth_is_not_asked_for_and_a_third_is": ("unreached", "more-unreached"),
    "test_a_short_shot_is_colored_by_its_middle": ("few", "parts"),
    "test_what_no_chosen_frame_reaches_is_asked_for_up_to_one_in_twenty": ("fewest-between",),
    "test_a_place_without_a_color_takes_that_around_it": ("filled",),
    "test_key_frames_stay_and_influence_the_others": ("fixed",),
    "test_a_new_shot_owes_nothing_to_the_one_before": ("shots-joined",),
    "test_later_windows_keep_the_colors_of_the_first_and_ask_for_nothing_known": (
        *("later-windows-begin-anew",),
    ),
    "test_motion_is_seen_in_shadows_and_lights": ("gray-of-ten",),
    "test_motion_of_narrow_things_is_told_apart": ("finest",),
    "test_pictures_smaller_than_a_patch_have_no_motion": ("tiny-pictures",),
    "test_broken_frames_are_not_asked_for_unless_all_are": ("broken-frames-asked",),
    "test_72_frames_wait_at_most": ("window",),
}
TESTS = {
    **{
        f"steady-{name}": (f"video/test_video_steady.py::{test}",)
        for test, names in STEADY.items()
        for name in names
    },
    **{module: (f"video/test_video_{module}.py",) for module in ROWS},
    "encoding": ("video/test_video_file.py",),
    "encoding-crf-h264": (
        "video/test_video_file.py::test_h264_keeps_the_lightness_to_less_than_half_a_level",
    ),
    "planes-full-range": ("video/test_video_file.py::test_depth_tags_and_every_lightness_sample_stay",),
    "run": ("video/test_video_report.py",),
    "folder": ("video/test_video_report.py",),
    "frames": ("video/test_video_file.py::test_a_note_lists_five_broken_frames",),
    "colorer": ("video/test_video_colorer.py::test_a_key_frame_has_the_shape_of_its_frame_to_two_percent",),
}

MUTANTS = mutants_in("video", ROWS, TESTS)
