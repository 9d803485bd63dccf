"""Web demo with Gradio, on this machine or as a Space of Hugging Face: ``python docs/demo/app.py``."""

import gradio as gr

import colorzoo
from colorzoo.errors import ColorzooError


def add_point(points: list[dict] | None, color: str, click: gr.SelectData) -> list[dict]:
    """Append a color point at the pixel that was clicked."""
    x, y = click.index
    return [*(points or []), {"x": x, "y": y, "color": color}]


def colorize(image: str, points: list[dict] | None, reference: str | None) -> object:
    """Colorize an image file with color points, or with the colors of a reference image."""
    try:
        return colorzoo.colorize(image, guidance={"points": points or []}, reference=reference)
    except ColorzooError as error:
        raise gr.Error(str(error)) from error


with gr.Blocks(title="colorzoo") as demo:
    gr.Markdown("# colorzoo\nOpen a photo or a drawing. To set a color, choose it and click on the image.")
    with gr.Row():
        image = gr.Image(type="filepath", image_mode=None, label="Photo or drawing")
        result = gr.Image(format="png", interactive=False, label="Result")
    with gr.Row():
        color = gr.ColorPicker("#c04020", label="Color of the next point")
        points = gr.JSON([], label="Color points")
        reference = gr.Image(type="filepath", label="Reference image (optional)")
    inputs = [image, points, reference]
    with gr.Row():
        gr.Button("Colorize").click(colorize, inputs, result, api_name="colorize")
        gr.Button("Remove points").click(list, outputs=points, api_visibility="private")
    image.select(add_point, [points, color], points, api_visibility="private").then(colorize, inputs, result)
    image.input(list, outputs=points, api_visibility="private")  # a new image has no points

if __name__ == "__main__":
    demo.launch()
