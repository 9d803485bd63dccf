// Runs functions of the page that colors without a server on what a test of Python gives, and prints what they answer.
import { readFileSync } from "node:fs";

const [module, asked] = process.argv.slice(2);
const page = await import(module);
const CHECKS = {
  hash: ({ bytes }) => [...page.plainSha256(Uint8Array.from(bytes))],
  encode: async ({ rgba, width, height, source, format, origin }) => {
    const pixels = { rgba: Uint8ClampedArray.from(rgba), width, height };
    return [...(await page.encodePicture(pixels, Uint8Array.from(source), format, 95, origin))];
  },
  recipes: ({ recipes, photo }) => recipes.map((recipe) => {
    try {
      return page.checkRecipe(recipe, photo);
    } catch (error) {
      return `${error.code}: ${error.message}`;
    }
  }),
  points: ({ recipes, lightness }) => Promise.all(recipes.map(async (recipe) => {
    const photo = { lightnessAround: () => lightness, viewSize: [1, 1] };
    const services = { photo, solver: { render: () => null }, model: () => ({}), predict: async () => ({}) };
    let told = null;
    await page.REQUESTS.color.run(services, { recipe, quality: "final" }, (message) => { told = message.points; });
    return told;
  })),
  ranks: () => Object.fromEntries(Object.entries(page.REQUESTS).map(([type, { rank }]) => [type, rank])),
};

const answers = {};
for (const [name, given] of Object.entries(JSON.parse(readFileSync(asked)))) answers[name] = await CHECKS[name.split(" ")[0]](given);
console.log(JSON.stringify(answers, (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)));
