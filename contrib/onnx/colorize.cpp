// Colorize an image with an ONNX file of a colorzoo release, with the C++ API of ONNX Runtime.
//   c++ -std=c++17 -O2 colorize.cpp -I"$ORT/include" -L"$ORT/lib" -lonnxruntime -o colorize
//   LD_LIBRARY_PATH="$ORT/lib" ./colorize colorzoo2026.onnx old.ppm new.ppm
// ORT is the folder of a release of ONNX Runtime. The program reads and writes PPM files (P6, 8 bits):
//   magick old.jpg old.ppm
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using Rgb = std::array<double, 3>;
constexpr int kShorterSide = 256;  // of the network input
constexpr Rgb kY = {0.2126729, 0.7151522, 0.0721750};
constexpr Rgb kWhite = {0.95047, 1.0, 1.08883};  // D65
constexpr double kToRgb[3][3] = {{3.2404542, -1.5371385, -0.4985314},
                                 {-0.9692660, 1.8760108, 0.0415560},
                                 {0.0556434, -0.2040259, 1.0572252}};

double clip(double value) { return std::min(1.0, std::max(0.0, value)); }
double decode(double v) { return v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92; }
double encode(double v) { return v > 0.0031308 ? 1.055 * std::pow(v, 1 / 2.4) - 0.055 : 12.92 * v; }

double lightness(const Rgb& rgb) {  // L in [0, 100] of sRGB in [0, 1]
  double y = 0;
  for (int c = 0; c < 3; ++c) y += kY[c] * decode(rgb[c]);
  return 116 * (y > 0.008856 ? std::cbrt(y) : 7.787 * y + 16.0 / 116) - 16;
}

Rgb lab_to_rgb(double l, double a, double b) {
  const double y = (l + 16) / 116;
  const Rgb roots = {y + a / 500, y, y - b / 200};
  Rgb xyz, rgb;
  for (int i = 0; i < 3; ++i)
    xyz[i] = kWhite[i] * (roots[i] > 0.206893 ? roots[i] * roots[i] * roots[i] : (roots[i] - 16.0 / 116) / 7.787);
  for (int c = 0; c < 3; ++c)
    rgb[c] = encode(clip(kToRgb[c][0] * xyz[0] + kToRgb[c][1] * xyz[1] + kToRgb[c][2] * xyz[2]));
  return rgb;
}

// Return the first pixel that a new pixel covers, as in the box filter of Pillow.
int bound(int index, int size, int new_size) { return (2 * int64_t(index) * size + new_size) / (2 * int64_t(new_size)); }

// Return the mean of the pixels that each new pixel covers.
std::vector<float> shrink(const std::vector<float>& plane, int width, int height, int w, int h) {
  std::vector<float> out(static_cast<size_t>(w) * h);
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j) {
      const int top = bound(i, height, h), bottom = std::max(top + 1, bound(i + 1, height, h));
      const int left = bound(j, width, w), right = std::max(left + 1, bound(j + 1, width, w));
      double sum = 0;
      for (int y = top; y < bottom; ++y)
        for (int x = left; x < right; ++x) sum += plane[static_cast<size_t>(y) * width + x];
      out[static_cast<size_t>(i) * w + j] = static_cast<float>(sum / (double(bottom - top) * (right - left)));
    }
  return out;
}

// Interpolate bilinearly.
double sample(const float* plane, int w, int h, int x, int y, int width, int height) {
  const double u = std::clamp((x + 0.5) * w / width - 0.5, 0.0, w - 1.0);
  const double v = std::clamp((y + 0.5) * h / height - 0.5, 0.0, h - 1.0);
  const int x0 = int(u), y0 = int(v), x1 = std::min(w - 1, x0 + 1), y1 = std::min(h - 1, y0 + 1);
  const double top = plane[y0 * w + x0] * (1 - u + x0) + plane[y0 * w + x1] * (u - x0);
  const double bottom = plane[y1 * w + x0] * (1 - u + x0) + plane[y1 * w + x1] * (u - x0);
  return top * (1 - v + y0) + bottom * (v - y0);
}

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: colorize MODEL.onnx OLD.ppm NEW.ppm");
  std::ifstream in(argv[2], std::ios::binary);
  std::string magic;
  int width = 0, height = 0, levels = 0;
  in >> magic >> width >> height >> levels;
  in.get();  // one white space before the pixels
  if (magic != "P6" || levels != 255 || width < 1 || height < 1)
    throw std::runtime_error(std::string(argv[2]) + " is not a PPM file (P6, 8 bits, without comments)");
  const size_t count = static_cast<size_t>(width) * height;
  std::vector<uint8_t> pixels(3 * count);
  in.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));

  Ort::Env env;
  Ort::Session session(env, argv[1], Ort::SessionOptions{});
  Ort::AllocatorWithDefaultOptions allocator;
  const std::string output = session.GetOutputNameAllocated(0, allocator).get();
  const bool is_drawing = output == "rgb";
  std::vector<float> full(count);
  for (size_t i = 0; i < count; ++i) {
    const Rgb rgb = {pixels[3 * i] / 255.0, pixels[3 * i + 1] / 255.0, pixels[3 * i + 2] / 255.0};
    full[i] = float(is_drawing ? kY[0] * rgb[0] + kY[1] * rgb[1] + kY[2] * rgb[2] : lightness(rgb));
  }
  const double scale = std::min(1.0, double(kShorterSide) / std::min(width, height));
  const int w = std::max(1, int(std::lround(width * scale))), h = std::max(1, int(std::lround(height * scale)));
  std::vector<float> network_input = shrink(full, width, height, w, h);

  // missing guidance, such as no color points: zeros, or a saturation of -1
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<std::string> names;
  std::vector<std::vector<float>> data;
  std::vector<Ort::Value> tensors;
  for (size_t i = 0; i < session.GetInputCount(); ++i) {
    names.emplace_back(session.GetInputNameAllocated(i, allocator).get());
    const auto info = session.GetInputTypeInfo(i);
    std::vector<int64_t> shape = info.GetTensorTypeAndShapeInfo().GetShape();
    const std::array<int64_t, 4> sizes = {1, 1, h, w};
    int64_t size = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] < 1) shape[axis] = sizes.at(axis);  // any size
      size *= shape[axis];
    }
    const float missing = names.back() == "statistics_saturation" ? -1.0f : 0.0f;
    data.emplace_back(names.back() == "lightness" ? network_input : std::vector<float>(size, missing));
    tensors.push_back(Ort::Value::CreateTensor<float>(memory, data.back().data(), data.back().size(),
                                                      shape.data(), shape.size()));
  }
  std::vector<const char*> inputs;
  for (const auto& name : names) inputs.push_back(name.c_str());
  const char* outputs[] = {output.c_str()};
  auto found = session.Run(Ort::RunOptions{}, inputs.data(), tensors.data(), tensors.size(), outputs, 1);
  const float* colors = found[0].GetTensorData<float>();

  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const size_t i = static_cast<size_t>(y) * width + x;
      const auto at = [&](const float* plane) { return sample(plane, w, h, x, y, width, height); };
      Rgb rgb;
      if (is_drawing)  // the lines of a drawing have the full resolution, the colors between them do not
        for (int c = 0; c < 3; ++c) rgb[c] = at(colors + c * w * h) * full[i] / std::max(at(network_input.data()), 0.1);
      else
        rgb = lab_to_rgb(full[i], at(colors), at(colors + w * h));
      for (int c = 0; c < 3; ++c) pixels[3 * i + c] = uint8_t(std::lround(255 * clip(rgb[c])));
    }
  std::ofstream out(argv[3], std::ios::binary);
  out << "P6\n" << width << " " << height << "\n255\n";
  out.write(reinterpret_cast<const char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
  return out ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
