// Shards: the responses of a checkpoint, in a script that is loaded when the checkpoint is chosen (pages/shards.py).
"use strict";
const OPEN_BLOCKS = 12; // of each shard; a block is some MB of text

// The scripts call this.
function addShard(numbers, blocks) {
  document.currentScript.shard = { numbers, blocks };
}

// Return what base64 of gzip of JSON holds.
async function unpacked(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = binary.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// The responses of one checkpoint: numbers of all of them, and texts in blocks that are opened when needed.
class Shard {
  static async load(source) {
    const script = document.createElement("script");
    await new Promise((resolve, reject) => {
      script.src = source;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${source} is missing or cannot be read: run the workflow again`));
      document.head.append(script);
    });
    script.remove();
    return new Shard(await unpacked(script.shard.numbers), script.shard.blocks);
  }

  constructor(numbers, blocks) {
    this.numbers = numbers;
    this.blocks = blocks;
    this.opened = new Map();
  }

  blockOf(row) {
    let block = this.blocks.length - 1;
    while (this.numbers.first_rows[block] > row) block--;
    return block;
  }

  // Return all responses of a block; of those opened before, the last few are kept.
  open(block) {
    const found = this.opened.get(block) ?? unpacked(this.blocks[block]);
    this.opened.delete(block);
    this.opened.set(block, found);
    if (this.opened.size > OPEN_BLOCKS) this.opened.delete(this.opened.keys().next().value);
    return found;
  }

  async response(row) {
    const block = this.blockOf(row);
    const [text, answers, points, stated] = (await this.open(block))[row - this.numbers.first_rows[block]];
    return { text, answers, points, stated };
  }
}
